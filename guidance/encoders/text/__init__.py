"""Text and phrase embeddings, for every part of the package that compares images with prompts."""
