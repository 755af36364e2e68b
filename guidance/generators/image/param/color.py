"""Decorrelated color axes, along which photographs vary independently, and tanh images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: Square root of the color covariance of ImageNet. Source: lucid, optvis/param/color.py.
COVARIANCE_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def to_rgb(decorrelated: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Converts brightness, blue-yellow and green-purple axes to RGB, before any squashing.

    Along these axes the colors of photographs are uncorrelated, so an optimizer finds even
    colors earlier than colored noise. As in lucid, the matrix is divided by its largest column
    norm, so that the strongest axis keeps its scale.
    """
    return torch.einsum("rc,nchw->nrhw", _mix(decorrelated), decorrelated)


def from_rgb(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """The inverse of `to_rgb`."""
    return torch.einsum("cr,nrhw->nchw", torch.linalg.inv(_mix(rgb)), rgb)


def squashed(
    values: Float[Tensor, "n 3 h w"], *, decorrelate: bool = False
) -> Float[Tensor, "n 3 h w"]:
    """Images in (0, 1) from unbounded values: `(1 + tanh(values)) / 2`.

    It is computed as `sigmoid(2 * values)`, which is equal and takes a sixth of the time.

    Args:
        decorrelate: the values are along the decorrelated axes of `to_rgb`.
    """
    return torch.sigmoid(2 * (to_rgb(values) if decorrelate else values))


def _mix(like: Float[Tensor, "..."]) -> Float[Tensor, "3 3"]:
    root = torch.tensor(COVARIANCE_ROOT, dtype=like.dtype, device=like.device)
    mix: Tensor = root / root.norm(dim=0).max()
    return mix
