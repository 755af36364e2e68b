"""Resampling of maps: zero insertion, padding, a finite impulse response filter, decimation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

#: Zeros before and after each axis, in samples after zero insertion; negative numbers crop.
Padding = tuple[int, int]
#: Filters of at most so many taps are applied along both axes at once: one pass over the maps costs
#: more than the products that it saves. Chosen by measurement, see benchmarks/stylegan.py.
SHORT = 6


def upfirdn(
    x: Float[Tensor, "n c h w"],
    taps: Float[Tensor, "..."],
    *,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0),
    gain: float = 1.0,
) -> Float[Tensor, "n c hh ww"]:
    """Inserts zeros between samples, pads, convolves with a filter, and keeps every `down`-th.

    Both axes are treated alike. The side of the result is
    `(side * up + padding[0] + padding[1] - taps) // down + 1`, rounded down.

    Args:
        x: the maps.
        taps: the filter: `[t]`, which is applied along each axis, or `[t, t]`.
        up: the samples after zero insertion for each sample before.
        down: of how many samples one is kept.
        padding: see `Padding`.
        gain: a factor of the result.
    """
    n, c, h, w = x.shape
    if up > 1:
        x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(n, c, h * up, w * up)
    if taps.ndim == 1 and len(taps) <= SHORT:
        taps = torch.outer(taps, taps)
    if taps.ndim == 2:
        return _correlated(x, (taps * gain).flip(0, 1), (down, down), padding)
    side = (taps * gain**0.5).flip(0)
    x = F.pad(x, (*padding, *padding))
    x = _correlated(x, side[None, :], (1, down), (0, 0))
    return _correlated(x, side[:, None], (down, 1), (0, 0))


def _correlated(x: Tensor, kernel: Tensor, stride: tuple[int, int], padding: Padding) -> Tensor:
    """Pads and correlates each map with a kernel."""
    before, after = padding
    if before != after or before < 0:
        x, before = F.pad(x, (*padding, *padding)), 0
    c = x.shape[1]
    weight = kernel.to(x.dtype).expand(c, 1, *kernel.shape)
    return F.conv2d(x, weight, stride=stride, padding=before, groups=c)
