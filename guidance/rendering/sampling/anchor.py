"""Cameras that gather around the view which fits the words best, and still see all sides.

Source: Text2Mesh (Michel et al., arXiv 2112.03221, section 3.2): the best of a few views of the
plain mesh, and views drawn normally around it. Deviations: a standard deviation of 90 degrees in
azimuth and 45 in elevation, cut off where the azimuth is half a turn away and where the orbit's
elevations end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

#: Standard deviations around an anchor.
AZIMUTH_SD_DEG, ELEVATION_SD_DEG = 90.0, 45.0


@dataclass(frozen=True)
class Anchor:
    """The view that cameras gather around, in degrees; azimuths are counted from the front."""

    azimuth_deg: float
    elevation_deg: float = 15.0


def gather(
    anchors: Sequence[Anchor | None],
    shares: Float[Tensor, "n v 2"],
    elevation_deg: tuple[float, float],
) -> Float[Tensor, "n v 2"]:
    """Azimuths and elevations, normally distributed around the anchor of each sample.

    Args:
        anchors: one a sample; None leaves NaN.
        shares: in [0, 1], how much of the distribution lies below; even shares are even draws.
        elevation_deg: lowest and highest.
    """
    found = torch.full_like(shares, math.nan)
    for sample, anchor in enumerate(anchors):
        if anchor is None:
            continue
        half = 180.0 / AZIMUTH_SD_DEG
        turn = _truncated(shares[sample, :, 0], -half, half) * AZIMUTH_SD_DEG
        low, high = ((limit - anchor.elevation_deg) / ELEVATION_SD_DEG for limit in elevation_deg)
        lift = _truncated(shares[sample, :, 1], low, high) * ELEVATION_SD_DEG
        azimuth = (anchor.azimuth_deg + turn + 180) % 360 - 180
        found[sample] = torch.stack([azimuth, anchor.elevation_deg + lift], -1)
    return found


def _truncated(share: Float[Tensor, "v"], low: float, high: float) -> Float[Tensor, "v"]:
    """The inverse of a standard normal's distribution between two limits."""
    below, above = (0.5 * (1 + math.erf(limit / 2**0.5)) for limit in (low, high))
    inside = (below + share.double() * (above - below)).clamp(1e-12, 1 - 1e-12)
    return (2**0.5 * torch.erfinv(2 * inside - 1)).clamp(low, high).to(share)
