"""Resizing of image tensors."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def resized(
    images: Float[Tensor, "*b c h w"], size: tuple[int, int]
) -> Float[Tensor, "*b c rows columns"]:
    """Resizes images in [0, 1] to a height and width; bicubic, antialiased.

    Images that have this size already are returned unchanged.
    """
    if tuple(images.shape[-2:]) == size:
        return images
    batch = images if images.ndim == 4 else images[None]
    found = F.interpolate(batch, size, mode="bicubic", antialias=True).clamp(0, 1)
    return found if images.ndim == 4 else found[0]
