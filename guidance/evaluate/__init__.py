"""Scores of results by a held-out judge. Nothing here may be used as a loss."""
