"""What a task tells its cameras, and the options that all cameras have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from guidance.options import Component, Options
from guidance.rendering.cameras.sampling.anchor import Anchor
from guidance.schedule import Schedule

Degrees = Annotated[float, Field(ge=-360, le=360)]


class CameraRig(Component):
    """Base of the cameras that a task can be given by name."""


class CameraOptions(Options):
    """Options of all cameras."""

    PRESETS: ClassVar = {
        "draft": {"views": 3},
        "normal": {"views": 4},
        "best": {"views": 6, "resolution": 224},
    }

    views: int = Field(default=4, ge=1, le=64)
    """Cameras per step."""
    resolution: int = Field(default=112, ge=16, le=1024)
    """Pixels per side of each view."""
    front: Degrees | Literal["auto"] = 0.0
    """Azimuth of the object's front in degrees (0 is +z, 90 is +x); "auto" lets the encoder find
    it."""
    anchor: Degrees | Literal["auto", "none"] = "none"
    """Azimuth from the front around which the cameras gather; "auto" is the view that matches the
    prompt best, "none" all around."""


@dataclass(frozen=True)
class CameraSetup:
    """How the cameras of a run are placed."""

    resolution: int  # pixels per side
    radius: float  # distance from the object, in radii
    front_deg: float = 0.0
    anchors: Sequence[Anchor | None] = ()  # one per sample, or empty
    ambient_jitter: float = 0.0  # of the ambient light
    textureless: Schedule = Schedule.parse(0.0)  # noqa: RUF009  (frozen)
    device: str | torch.device = "cpu"
