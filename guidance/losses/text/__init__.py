"""Prompts as embeddings: targets, directions between texts, distractors, view-dependent prompts."""
