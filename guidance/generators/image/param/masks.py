"""Masks of images: white (1) where an image may change, black (0) where it is kept."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from guidance.errors import InputError


def blend(
    new: Float[Tensor, "*b 3 h w"],
    old: Float[Tensor, "*#b 3 h w"],
    mask: Float[Tensor, "*#b 1 h w"],
) -> Float[Tensor, "*b 3 h w"]:
    """The new image where the mask is 1, a mixture where it is grey, the old image where it is 0.

    Pixels where the mask is 0 are bit-identical to the old image.
    """
    return torch.where(mask > 0, mask * new + (1 - mask) * old, old)


def check_mask(
    image: Shaped[Tensor, "*b 3 h w"], mask: Float[Tensor, "*m 1 rows columns"], what: str = "image"
) -> None:
    """Checks the mask of an image, or of the frames of a video.

    Raises:
        InputError: the sizes differ, or the mask is black everywhere.
    """
    if image.shape[-2:] != mask.shape[-2:]:
        raise InputError(
            f"mask: expected the {what}'s {image.shape[-2]} x {image.shape[-1]} pixels, got "
            f"{mask.shape[-2]} x {mask.shape[-1]}"
        )
    if not bool((mask > 0).any()):
        raise InputError(
            "mask: is black everywhere, so nothing would change; paint the region to change white"
        )
