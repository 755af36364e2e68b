"""Colours as three axes that vary independently in photographs, and back to RGB."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: Source: lucid, optvis/param/color.py: square root of the colour covariance of ImageNet.
COVARIANCE_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def to_rgb(decorrelated: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Mixes brightness, blue-yellow and green-purple axes into RGB (before any squashing).

    A step along one axis then changes brightness or hue as a photograph would, so an optimizer
    reaches plain colours sooner and coloured noise later. As in lucid, the matrix is divided by
    its largest column norm, so that the strongest axis keeps its scale.
    """
    return torch.einsum("rc,nchw->nrhw", _mix(decorrelated), decorrelated)


def from_rgb(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """The inverse of `to_rgb`."""
    return torch.einsum("cr,nrhw->nchw", torch.linalg.inv(_mix(rgb)), rgb)


def _mix(like: Float[Tensor, "..."]) -> Float[Tensor, "3 3"]:
    root = torch.tensor(COVARIANCE_ROOT, dtype=like.dtype, device=like.device)
    mix: Tensor = root / root.norm(dim=0).max()
    return mix
