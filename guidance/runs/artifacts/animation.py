"""Animations: the image is moved a little before each frame, and the optimization goes on.

    | first frame: `first` steps | move, `between` steps: frame 1 | move, ... : frame 2 | ...

Progress stays at 0 until the first frame is there. So the schedules of a run, prompts included,
run over the time of the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.schedule import Schedule
from guidance.types import StepContext
from guidance.views import Warp

#: Below and above, an image is mostly border, or a few enlarged cells, after one frame.
ZOOMS = (0.5, 2.0)
#: Zoom, pan and rotation of an image that stays where it is.
NOTHING = Schedule.parse(0.0)
STILL = (Schedule.parse(1.0), (NOTHING, NOTHING), NOTHING)


@dataclass(frozen=True)
class Animation:
    """How many frames there are and how the image moves before each but the first.

    Raises:
        InputError: fewer than two frames, no step, a zoom out of bounds.
    """

    frames: int
    first: int  # steps of the first frame
    between: int = 5  # steps of each further frame
    fps: int = 15
    zoom: Schedule = STILL[0]
    pan: tuple[Schedule, Schedule] = STILL[1]
    rotate_deg: Schedule = STILL[2]

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise InputError(f"frames: expected at least 2, got {self.frames}")
        if min(self.first, self.between, self.fps) < 1:
            raise InputError("Animation: expected at least one step a frame and a frame a second")
        low, high = min(self.zoom.values), max(self.zoom.values)
        if low < ZOOMS[0] or high > ZOOMS[1]:
            value = low if low < ZOOMS[0] else high
            raise InputError(
                f"zoom: expected a factor a frame from {ZOOMS[0]:g} to {ZOOMS[1]:g}, e.g. 1.02, "
                f"got {value:g}"
            )

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.first + (self.frames - 1) * self.between

    def frame_follows(self, step: int) -> bool:
        """Whether a frame shows what there is after this many steps."""
        return step >= self.first and (step - self.first) % self.between == 0

    def warp(self, context: StepContext) -> Warp | None:
        """How the image moves before the step of a context; None where it stays."""
        if not self.frame_follows(context.step):
            return None
        zoom, rotate_deg = self.zoom(context.progress), self.rotate_deg(context.progress)
        across, down = (schedule(context.progress) for schedule in self.pan)
        if zoom == 1 and rotate_deg == across == down == 0:
            return None
        return Warp.of(len(context.seeds), zoom, (across, down), rotate_deg)

    def moves(self) -> Iterator[Warp]:
        """Those of the whole video, for one sample."""
        further = self.frames - 1
        for frame in range(further):
            running = frame * self.between
            progress = running / max(1, further * self.between - 1)
            warp = self.warp(StepContext((0,), self.first + running, progress))
            if warp is not None:
                yield warp


def parse_pan(text: str) -> tuple[Schedule, Schedule]:
    """Reads "0.01,0": to the right and down, a number or a schedule each.

    Raises:
        InputError: it is not two of them.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(
            f'pan {text!r}: expected two numbers or schedules, e.g. "0.01,0" or "0 -> 0.02,0"'
        )
    across, down = (Schedule.parse(part.strip()) for part in parts)
    return across, down
