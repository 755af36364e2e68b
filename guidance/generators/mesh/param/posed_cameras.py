"""Cameras that look at a body in a pose."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from guidance.views import Cameras


@dataclass(frozen=True)
class PosedCameras(Cameras):
    """Cameras, the pose that each of them sees, and the parts of the body that it shows."""

    pose: Int[Tensor, "n v"] | None = None  # index of the pose; by default 0
    #: The parts of the body that are visible, as the bits of `guidance...body_parts`; -1 for all.
    shown: Int[Tensor, "n v"] | None = None
