"""Options of animations: the image moves before each frame, and the optimization continues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from guidance.errors import InputError
from guidance.options import Options
from guidance.parsed import Parsed
from guidance.schedule import Schedule

if TYPE_CHECKING:
    from guidance.runs.artifacts.animation import Animation


@dataclass(frozen=True)
class Pan(Parsed):
    """Motion to the right and down per frame, as shares of the image's width and height."""

    right: Schedule
    down: Schedule

    @classmethod
    def parse(cls, text: str) -> Pan:
        """Reads "0.01,0": two numbers or schedules. Raises InputError for anything else."""
        parts = text.split(",")
        if len(parts) != 2:
            raise InputError(
                f'pan {text!r}: expected two numbers or schedules, e.g. "0.01,0" or "0 -> 0.02,0"'
            )
        return cls(Schedule.parse(parts[0].strip()), Schedule.parse(parts[1].strip()))

    def written(self) -> str:
        return f"{self.right},{self.down}"

    def __str__(self) -> str:
        return self.written()


class AnimationOptions(Options):
    """A video of the image while it moves."""

    frames: int = Field(default=72, ge=2, le=100_000)
    """Makes a video of that many frames; the first frame gets the steps of a still image."""
    # Measured on two prompts, pyramid, 24 frames of zoom 1.03: with 2 steps the loss rises from
    # 0.562 to 0.618, with 5 it stays.
    steps_per_frame: int = Field(default=5, ge=1, le=10_000)
    """Steps of each frame after the first."""
    fps: int = Field(default=15, ge=1, le=120)
    """Frames per second."""
    zoom: Schedule = Schedule.parse(1.0)
    """Factor per frame by which the image is enlarged; a schedule runs over the video."""
    pan: Pan = Pan.parse("0,0")
    """Motion right and down per frame as shares of width and height, e.g. "0.01,0"."""
    rotate: Schedule = Schedule.parse(0.0)
    """Degrees per frame, counterclockwise."""

    def animation(self, first: int) -> Animation:
        """The animation whose first frame gets `first` steps."""
        from guidance.runs.artifacts.animation import Animation

        pan = (self.pan.right, self.pan.down)
        return Animation(
            self.frames, first, self.steps_per_frame, self.fps, self.zoom, pan, self.rotate
        )
