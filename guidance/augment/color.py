"""Color jitter as one affine matrix per crop."""

from __future__ import annotations

import math

import numpy as np
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
    signed = 2 * draws.numpy() - 1
    b, c, s = (1 + signed[..., i, None, None] * strengths[i] for i in range(3))
    matrices = np.empty((*draws.shape[:-1], 3, 4), signed.dtype)
    linear = s * np.eye(3, dtype=signed.dtype) + (1 - s) * np.array(LUMA, signed.dtype)
    if strengths[3]:
        linear = _hue(signed[..., 3, None, None] * strengths[3]) @ linear
    matrices[..., :3] = b * c * linear
    matrices[..., 3:] = b * (1 - c) * 0.5
    return torch.from_numpy(matrices)


def _hue(degrees: Float[np.ndarray, "*b 1 1"]) -> Float[np.ndarray, "*b 3 3"]:
    """Rotation about (1, 1, 1) by Rodrigues' formula."""
    angle, dtype = degrees * (math.pi / 180), degrees.dtype
    turn = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype) / dtype.type(math.sqrt(3))
    found = np.cos(angle) * np.eye(3, dtype=dtype) + (1 - np.cos(angle)) / 3
    return found + np.sin(angle) * turn  # type: ignore[no-any-return]


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
