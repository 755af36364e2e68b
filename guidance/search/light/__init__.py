"""Queries of plain text without torch, whose import takes longer than a search."""
