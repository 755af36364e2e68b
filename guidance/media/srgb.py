"""Conversion between sRGB and linear light. Source: IEC 61966-2-1."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def srgb_to_linear(srgb: Float[Tensor, "*k"]) -> Float[Tensor, "*k"]:
    """Linear light of sRGB values in [0, 1]; differentiable."""
    high = ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(srgb <= 0.04045, srgb / 12.92, high)


def linear_to_srgb(linear: Float[Tensor, "*k"]) -> Float[Tensor, "*k"]:
    """The sRGB values of linear light in [0, 1]; differentiable."""
    high = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, high)
