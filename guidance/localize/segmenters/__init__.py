"""Models that find the part of an image that a text describes. See `base.Segmenter`."""
