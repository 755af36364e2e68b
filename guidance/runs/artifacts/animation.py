"""Animations: the image is moved a little before each frame, and the optimization goes on.

    | first frame: `first` steps | move, `between` steps: frame 1 | move, ... : frame 2 | ...

Progress stays at 0 until the first frame is complete, so the schedules of a run, prompts included,
run over the duration of the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.loop.result import Result
from guidance.media.write_video import encode_mp4
from guidance.outputs import as_images
from guidance.runs.artifacts.base import Artifact, Look, RunContext, Written
from guidance.runs.frames import FrameFolder
from guidance.schedule import Schedule
from guidance.types import StepContext
from guidance.views import Warp

#: Range of the zoom per frame. Outside it, one frame leaves mostly border or a few enlarged cells.
ZOOMS = (0.5, 2.0)
#: Zoom, pan and rotation of an image that does not move.
ZERO = Schedule.parse(0.0)
STILL = (Schedule.parse(1.0), (ZERO, ZERO), ZERO)
FOLDER = "frames"


@dataclass(frozen=True)
class Animation(Artifact):
    """animation.mp4: its frames, and how the image moves before each frame but the first.

    A plan with an animation also needs `warps=animation.warp` and `animation.steps` steps.

    Raises:
        InputError: fewer than two frames, no step, a zoom out of range.
    """

    frames: int
    first: int  # steps of the first frame
    between: int = 5  # steps of each other frame
    fps: int = 15
    zoom: Schedule = STILL[0]
    pan: tuple[Schedule, Schedule] = STILL[1]
    rotate_deg: Schedule = STILL[2]

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise InputError(f"frames: expected at least 2, got {self.frames}")
        if min(self.first, self.between, self.fps) < 1:
            raise InputError(
                "Animation: expected at least 1 step per frame and 1 frame per second, got "
                f"first={self.first}, between={self.between}, fps={self.fps}"
            )
        low, high = min(self.zoom.values), max(self.zoom.values)
        if low < ZOOMS[0] or high > ZOOMS[1]:
            value = low if low < ZOOMS[0] else high
            raise InputError(
                f"zoom: expected a factor per frame from {ZOOMS[0]:g} to {ZOOMS[1]:g}, e.g. 1.02, "
                f"got {value:g}"
            )

    @property
    def steps(self) -> int:
        """Number of steps of the whole run."""
        return self.first + (self.frames - 1) * self.between

    def frame_follows(self, step: int) -> bool:
        """Whether a frame shows the state after this many steps."""
        return step >= self.first and (step - self.first) % self.between == 0

    def warp(self, context: StepContext) -> Warp | None:
        """How the image moves before the step of a context; None if it does not."""
        if not self.frame_follows(context.step):
            return None
        zoom, rotate_deg = self.zoom(context.progress), self.rotate_deg(context.progress)
        across, down = (schedule(context.progress) for schedule in self.pan)
        if zoom == 1 and rotate_deg == across == down == 0:
            return None
        return Warp.of(len(context.seeds), zoom, (across, down), rotate_deg)

    def moves(self) -> Iterator[Warp]:
        """All warps of the whole video, for one sample."""
        others = self.frames - 1
        for frame in range(others):
            done = frame * self.between
            progress = done / max(1, others * self.between - 1)
            warp = self.warp(StepContext((0,), self.first + done, progress))
            if warp is not None:
                yield warp

    def begin(self, run: RunContext, step: int) -> None:
        self._folder(run).prepare(step)

    def looks_at(self, run: RunContext, step: int) -> bool:
        return self.frame_follows(step)

    def after_step(self, run: RunContext, step: int, look: Look) -> None:
        if self.frame_follows(step):
            self._folder(run).keep(step, as_images(look()).over()[:, 0])

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        folder = self._folder(run)
        if len(folder) != self.frames:
            raise InputError(
                f"{folder.path}: expected {self.frames} frames, found {len(folder)}; restore the "
                "missing ones, or start the run again"
            )
        for sample in range(run.num_samples):
            frames = folder.of_sample(sample, run.num_samples)
            video = encode_mp4(frames, self.fps, run.comment)
            yield run.write("animation.mp4", video, sample)

    @staticmethod
    def _folder(run: RunContext) -> FrameFolder:
        return FrameFolder(run.folder / FOLDER, synced=True)


def parse_pan(text: str) -> tuple[Schedule, Schedule]:
    """Parses "0.01,0": the motion to the right and down, each a number or a schedule.

    Raises:
        InputError: not two of them.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(
            f'pan {text!r}: expected two numbers or schedules, e.g. "0.01,0" or "0 -> 0.02,0"'
        )
    across, down = (Schedule.parse(part.strip()) for part in parts)
    return across, down
