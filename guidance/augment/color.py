"""Color jitter as one affine matrix per crop."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

#: Rec. 709 luma, applied to sRGB values as in video.
LUMA = (0.2126, 0.7152, 0.0722)


def jitter_matrices(
    draws: Float[Tensor, "*b 4"], strengths: tuple[float, float, float, float]
) -> Float[Tensor, "*b 3 4"]:
    """Matrices of saturation, then hue, contrast and brightness, for `matrix @ (r, g, b, 1)`.

    Contrast is relative to middle grey instead of the mean of each image, and hue rotates about
    the grey axis, so the whole jitter is linear in the image.

    Args:
        draws: numbers in [0, 1); 0.5 is the identity.
        strengths: of brightness, contrast and saturation, factors within 1 +- strength; and of
            hue, an angle within +- strength degrees.

    Source: Haeberli, Matrix Operations for Image Processing, 1993.
    """
    brightness, contrast, saturation, hue_deg = strengths
    signed = 2 * draws - 1
    b, c, s = (
        1 + signed[..., i] * strength
        for i, strength in enumerate((brightness, contrast, saturation))
    )
    linear = (b * c)[..., None, None] * (_hue(signed[..., 3] * hue_deg) @ _saturation(s))
    offset = (b * (1 - c) * 0.5)[..., None, None].expand(*b.shape, 3, 1)
    return torch.cat([linear, offset], -1)


def _saturation(factor: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3 3"]:
    grey = factor.new_tensor(LUMA).expand(3, 3)
    factor = factor[..., None, None]
    return factor * torch.eye(3, dtype=factor.dtype) + (1 - factor) * grey


def _hue(degrees: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation about (1, 1, 1) by Rodrigues' formula."""
    angle = (degrees * (math.pi / 180))[..., None, None]
    third, eye = degrees.new_full((3, 3), 1 / 3), torch.eye(3, dtype=degrees.dtype)
    turn = degrees.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return angle.cos() * eye + (1 - angle.cos()) * third + angle.sin() * turn


def recolor(
    images: Float[Tensor, "b 3 h w"],
    matrices: Float[Tensor, "b 3 4"],
    noise: Float[Tensor, "b 3 h w"] | None,
) -> Float[Tensor, "b 3 h w"]:
    """Applies one matrix to each image and adds noise, in one pass over the images.

    Values are not clamped to [0, 1], which would cut gradients.
    """
    linear, constant, flat = matrices[..., :3], matrices[..., 3:], images.flatten(2)
    if noise is None:
        return torch.baddbmm(constant, linear, flat).view(images.shape)
    return (noise.flatten(2) + constant).baddbmm_(linear, flat).view(images.shape)
