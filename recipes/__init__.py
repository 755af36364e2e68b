"""How the embedded models were made: data, training, evaluation. See README.md."""
