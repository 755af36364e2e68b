"""Images in another size."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def resized(
    pictures: Float[Tensor, "*b c h w"], sides: tuple[int, int]
) -> Float[Tensor, "*b c rows columns"]:
    """Images in [0, 1] of that height and width, bicubic; to the bit the same if they are so."""
    if tuple(pictures.shape[-2:]) == sides:
        return pictures
    batch = pictures if pictures.ndim == 4 else pictures[None]
    found = F.interpolate(batch, sides, mode="bicubic", antialias=True).clamp(0, 1)
    return found if pictures.ndim == 4 else found[0]
