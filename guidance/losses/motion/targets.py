"""Where joints should be, in frames and meters."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """Frames of a motion from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def frames(self) -> slice:
        """The frames as a slice."""
        return slice(self.first, self.last + 1)


@dataclass(frozen=True)
class PointTarget:
    """A joint at a point, or a direction towards it, during a span."""

    joint: int
    point: tuple[float, float, float]
    span: Span


@dataclass(frozen=True)
class PoseTarget:
    """Rotations of some joints relative to their parents in one frame."""

    rotations: Float[Tensor, "22 3 3"]
    joints: tuple[int, ...]
    frame: int


@dataclass(frozen=True)
class Solid:
    """A sphere, or a box with sides along the axes, that the body must not touch."""

    center: tuple[float, float, float]
    half: tuple[float, float, float]  # of a box; the radius of a sphere, three times
    is_sphere: bool


@dataclass(frozen=True)
class Polyline:
    """A path on the ground: x and z of its points."""

    points: Float[Tensor, "p 2"]
    closed: bool = False
