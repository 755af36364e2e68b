"""Frozen causal language models, loaded by name."""
