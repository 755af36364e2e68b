"""View-dependent prompts."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from guidance.views import Cameras

#: Suffixes by view. Source: DreamFusion (Poole et al. 2022, section 3.2); the angles too.
VIEW_PROMPTS = ("front view", "side view", "back view", "overhead view")


OVERHEAD_DEG = 60.0


WITHIN_DEG = 45.0


def view_indices(cameras: Cameras) -> Int[Tensor, "n v"]:
    """Which of VIEW_PROMPTS says how each camera sees the object."""
    azimuth = (cameras.azimuth_deg + 180) % 360 - 180  # in [-180, 180), 0 is the front
    words = torch.ones_like(azimuth, dtype=torch.long)
    words[azimuth.abs() <= WITHIN_DEG] = 0
    words[azimuth.abs() >= 180 - WITHIN_DEG] = 2
    words[cameras.elevation_deg > OVERHEAD_DEG] = 3
    return words
