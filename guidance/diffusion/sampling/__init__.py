"""Sampling images from a denoiser."""

from guidance.diffusion.sampling.ddim import NoiseScene, draw, sample

__all__ = ["NoiseScene", "draw", "sample"]
