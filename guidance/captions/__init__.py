"""Captions: texts that match an image, by models that match images and texts.

`caption()` in `guidance.captions.make` is the interface; the methods are in `methods/`.
"""
