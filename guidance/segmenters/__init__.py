"""Models that find the part of an image that a text describes. See `base.Segmenter`.

A file in this folder is one kind of model; `files/` loads them by name.
"""
