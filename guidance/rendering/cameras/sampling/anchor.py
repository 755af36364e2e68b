"""Camera angles drawn from a truncated normal distribution around an anchor view.

Source: Text2Mesh (Michel et al., arXiv 2112.03221, section 3.2), which takes as anchor the best of
a few views of the plain mesh. Deviations: the standard deviations are 90 degrees in azimuth and 45
degrees in elevation, so that all sides are seen; the distribution is truncated at half a turn of
azimuth and at the elevation range of the orbit.
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
    """The mean view, in degrees; the azimuth is relative to the front."""

    azimuth_deg: float
    elevation_deg: float = 15.0


def sample_around(
    anchors: Sequence[Anchor | None],
    quantiles: Float[Tensor, "n v 2"],
    elevation_deg: tuple[float, float],
) -> Float[Tensor, "n v 2"]:
    """Azimuths and elevations in degrees, normally distributed around the anchor of each sample.

    Args:
        anchors: one per sample; None gives NaN.
        quantiles: in [0, 1], the value of the cumulative distribution at the azimuth and the
            elevation; uniform quantiles give normally distributed angles.
        elevation_deg: lowest and highest.
    """
    found = torch.full_like(quantiles, math.nan)
    for sample, anchor in enumerate(anchors):
        if anchor is None:
            continue
        half = 180.0 / AZIMUTH_SD_DEG
        turn = _truncated_normal(quantiles[sample, :, 0], -half, half) * AZIMUTH_SD_DEG
        low, high = ((limit - anchor.elevation_deg) / ELEVATION_SD_DEG for limit in elevation_deg)
        lift = _truncated_normal(quantiles[sample, :, 1], low, high) * ELEVATION_SD_DEG
        azimuth = (anchor.azimuth_deg + turn + 180) % 360 - 180
        found[sample] = torch.stack([azimuth, anchor.elevation_deg + lift], -1)
    return found


def _truncated_normal(quantile: Float[Tensor, "v"], low: float, high: float) -> Float[Tensor, "v"]:
    """The inverse cumulative distribution of a standard normal truncated to [low, high]."""
    below, above = (0.5 * (1 + math.erf(limit / 2**0.5)) for limit in (low, high))
    inside = (below + quantile.double() * (above - below)).clamp(1e-12, 1 - 1e-12)
    return (2**0.5 * torch.erfinv(2 * inside - 1)).clamp(low, high).to(quantile)
