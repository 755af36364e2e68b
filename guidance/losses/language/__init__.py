"""Losses of generators of text, whose output holds no images."""
