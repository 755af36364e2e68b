"""How each embedded model was made: data, training, evaluation. See README.md."""
