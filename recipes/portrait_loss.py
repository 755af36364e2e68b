"""The difference of images and the portraits that they shall show, in training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.encoders.base import Encoder

DETAIL_WEIGHT = 2.5  # of the pixels of details, in addition to 1
EDGE_WEIGHT = 0.5
FEATURE_WEIGHT = 0.05
FEATURE_MAPS = (0, 1)  # of the encoder, which are compared


def difference(images: Tensor, portraits: Tensor, details: Tensor) -> Tensor:
    """Weighted absolute differences of pixels and of edges, one number.

    Args:
        images: `[n, 3, h, w]` in [0, 1].
        portraits: what they shall show, `[n, 3, h, w]`.
        details: where small parts lie, `[1, h, w]`, see `Portraits.details`.
    """
    near = F.max_pool2d(details, 3, stride=1, padding=1)[None]
    weight = 1 + DETAIL_WEIGHT * near
    weight = weight / weight.mean()
    error = images - portraits
    pixels = (weight * error.abs()).mean()
    right = error[..., 1:] - error[..., :-1]
    down = error[..., 1:, :] - error[..., :-1, :]
    edges = (weight[..., 1:] * right.abs()).mean() + (weight[..., 1:, :] * down.abs()).mean()
    return pixels + EDGE_WEIGHT * edges


def feature_difference(encoder: Encoder, images: Tensor, portraits: Tensor) -> Tensor:
    """Squared differences of the encoder's maps, relative to their variance, one number."""
    with torch.no_grad():
        wanted = encoder.image_maps(portraits)
    shown = encoder.image_maps(images)
    parts = [(shown[i] - wanted[i]).square().mean() / wanted[i].var() for i in FEATURE_MAPS]
    return FEATURE_WEIGHT * torch.stack(parts).mean()
