"""Motions of a skeleton: files, the bank, retrieval and composition."""
