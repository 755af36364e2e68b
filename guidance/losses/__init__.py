"""Losses: one number per sample, lower is better. See `guidance.types.Loss` for the interface.

A file in this folder is one loss. The folders hold what several losses share: `text/` embeds
prompts, `images/` encodes crops and whole images, `sds/` contains the methods of score
distillation, and `surface/` reads the mesh behind a rendering.
"""
