"""View-dependent prompts."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Images
from guidance.views import Cameras

#: Suffixes of a prompt by view. Source of these and of the angles: DreamFusion, Poole et al. 2022
#: (arXiv 2209.14988), section 3.2.
VIEW_PROMPTS = ("front view", "side view", "back view", "overhead view")
#: Cameras at a greater elevation see the object from above.
OVERHEAD_DEG = 60.0
#: Cameras within this azimuth of the front (back) see the front (back).
WITHIN_DEG = 45.0


def view_indices(cameras: Cameras) -> Int[Tensor, "n v"]:
    """The index into `VIEW_PROMPTS` for each camera, from its azimuth and elevation."""
    azimuth = (cameras.azimuth_deg + 180) % 360 - 180  # in [-180, 180), 0 is the front
    index = torch.ones_like(azimuth, dtype=torch.long)
    index[azimuth.abs() <= WITHIN_DEG] = 0
    index[azimuth.abs() >= 180 - WITHIN_DEG] = 2
    index[cameras.elevation_deg > OVERHEAD_DEG] = 3
    return index


def views_of(rendering: Images, loss: str) -> Int[Tensor, "n v"]:
    """`view_indices` of the cameras of a rendering.

    Raises:
        InputError: images without cameras.
    """
    if rendering.cameras is None:
        raise InputError(
            f"{loss}: view_prompts=True needs images with cameras, from a mesh generator; remove "
            "it for flat images"
        )
    return view_indices(rendering.cameras)


def view_suffixes(view_prompts: bool) -> tuple[str, ...]:
    """Texts to append to a phrase: one per view, or the empty text for all views."""
    return tuple(f", {view}" for view in VIEW_PROMPTS) if view_prompts else ("",)
