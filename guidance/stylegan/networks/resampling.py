"""Resampling of maps: zero insertion, padding, a finite impulse response filter, decimation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

#: Zeros before and after each axis, in samples after zero insertion; negative numbers crop.
Padding = tuple[int, int]
#: Separable filters of at most so many taps are applied to both axes at once, by a convolution of
#: each map: one pass over the maps costs more than the products that two passes save. Longer ones
#: are applied to each axis as a matrix, four times as fast as a convolution on the CPU.
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
    if len(taps) == 1 and up == down == 1 and padding == (0, 0):
        return x * (taps**2 if taps.ndim == 1 else taps).squeeze() * gain
    if taps.ndim == 1 and len(taps) > SHORT:
        rows, columns = (_matrix(side, taps.to(x.dtype), up, down, padding) for side in x.shape[2:])
        return (rows * gain) @ (x @ columns.T)
    kernel = torch.outer(taps, taps) if taps.ndim == 1 else taps
    n, c, h, w = x.shape
    if up > 1:
        x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(n, c, h * up, w * up)
    before, after = padding
    if before != after or before < 0:
        x, before = F.pad(x, (before, after, before, after)), 0
    weight = (kernel * gain).flip(0, 1).to(x.dtype).expand(c, 1, *kernel.shape)
    return F.conv2d(x, weight, stride=down, padding=before, groups=c)


def _matrix(
    side: int, taps: Tensor, up: int, down: int, padding: Padding
) -> Float[Tensor, "after before"]:
    """The matrix of `upfirdn` along one axis."""
    length = len(taps)
    count = (side * up + sum(padding) - length) // down + 1
    # Output `o` starts at the padded sample `o * down`; input `i` is the padded sample below.
    inputs = torch.arange(side, device=taps.device) * up + padding[0]
    at = inputs - torch.arange(count, device=taps.device)[:, None] * down
    inside = (at >= 0) & (at < length)
    return taps.flip(0)[at.clamp(0, length - 1)] * inside
