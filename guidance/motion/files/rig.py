"""A rig of a file, at rest and over time, before it is retargeted to the canonical skeleton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from guidance.errors import InputError

Array = Any
#: Longest recording, in frames at 30 per second: 20 minutes. And joints of a rig.
MAX_FRAMES, MAX_JOINTS = 36_000, 2_000
FPS = 30.0


@dataclass(frozen=True)
class Rig:
    """Joints with world rotations and positions at rest; units and axes are those of the file."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for roots; in any order
    rotations: Array  # [j, 3, 3]
    positions: Array  # [j, 3]


@dataclass(frozen=True)
class Recording:
    """A rig over time: world rotations `[t, j, 3, 3]` and positions `[t, j, 3]`, at 30 fps."""

    rig: Rig
    rotations: Array
    positions: Array
    name: str


def check_length(frames: int | float, where: str) -> None:
    """Refuses recordings that are too long. Raises InputError."""
    if not 1 <= frames <= MAX_FRAMES:
        raise InputError(
            f"{where}: has {frames:,.0f} frames at 30 per second; from 1 to {MAX_FRAMES:,} are read"
        )
