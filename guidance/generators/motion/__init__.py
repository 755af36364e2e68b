"""Generators of motions: one in each file."""
