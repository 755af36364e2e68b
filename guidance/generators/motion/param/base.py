"""The base of all generators of motions: poses to joints and images, repair, and export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.capsule import capsule_body
from guidance.errors import InputError
from guidance.generators.motion.param.drawing import BodyDrawing
from guidance.generators.motion.param.files import DEFAULT_FORMATS, on_body, save_motion
from guidance.motion.files.read import read_motions
from guidance.motion.motion import Motion
from guidance.motion.output import MotionOutput
from guidance.rendering.cameras.orbit import Orbit
from guidance.types import Generator
from guidance.views import Shots, View

#: Changes the result of a run: the motions of all samples, and a note on each change.
Repair = Callable[[MotionOutput], tuple[Sequence[Motion], tuple[str, ...]]]


@dataclass(frozen=True)
class MotionStage:
    """What a task tells its generator of motions.

    Args:
        seeds: one for each sample.
        start: the motion that each sample starts with; its root is where the pelvis of the body is.
        body: the body that moves.
        free: joints that constraints move far; True for those of all samples.
    """

    seeds: tuple[int, ...]
    start: tuple[Motion, ...]
    body: Body
    free: tuple[bool, ...] = (False,) * 22


class MotionGenerator(Generator):
    """One motion per sample, shown by cameras at moments of it, and exported as animated files.

    A subclass implements `poses`, `param_groups` and `tiny`. Motions of several lengths are padded:
    poses after the last one of a sample are never read.
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS  # of the files that `export` writes
    repair: Repair | None = None  # what happens to the result at the end of the run

    def __init__(self, stage: MotionStage) -> None:
        super().__init__()
        self.num_samples, self.stage = len(stage.seeds), stage
        self.frames = tuple(motion.num_frames for motion in stage.start)
        self.fps = stage.start[0].fps
        self.skeleton = stage.body.skeleton
        self.draw = BodyDrawing(stage.body)
        self._repaired: MotionOutput | None = None

    def poses(self) -> tuple[Float[Tensor, "n t 22 3 3"], Float[Tensor, "n t 3"]]:
        """Rotations of the joints, and positions of the pelvis of the body, of all samples."""
        raise NotImplementedError

    def forward(self, view: View | None = None) -> MotionOutput:
        """The motions, and images of them that are rendered when a loss reads them.

        Args:
            view: `Shots`; None if no image is needed.

        Raises:
            InputError: another kind of view.
        """
        if view is not None and not isinstance(view, Shots):
            raise InputError(f"{type(self).__name__}: needs shots; give views=Shots.of(...)")
        output = self._repaired
        if output is None:
            output = MotionOutput.of(
                *self.poses(), self.frames, fps=self.fps, skeleton=self.skeleton
            )
        return replace(output, shots=view, draw=self.draw)

    def finish(self) -> tuple[str, ...]:
        if self.repair is None:
            return ()
        motions, notes = self.repair(self())
        self._repaired = MotionOutput.of_motions(motions, self.skeleton)
        return notes

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes motion.glb, motion.bvh ... in each of `formats`."""
        return save_motion(self().motion(sample, "motion"), self.stage.body, folder, self.formats)

    @classmethod
    def from_options(cls, options: object, canvas: MotionStage) -> MotionGenerator:
        return cls(canvas, options)  # type: ignore[call-arg]

    @staticmethod
    def tiny_views(num_samples: int) -> Shots:
        """Cameras for the tiny motion, in the contract tests."""
        cameras = Orbit(num_views=3, size=(24, 24)).fixed(num_samples)
        return Shots.of(cameras, torch.tensor([0.2, 0.8, 0.8]).expand(num_samples, 3), strip=2)

    @classmethod
    def tiny_reload(cls, folder: Path) -> Float[Tensor, "v 3 h w"]:
        """The exported tiny motion, read from its file and drawn, for the contract tests."""
        body = capsule_body()
        (motion,) = read_motions(folder / "motion.npz")
        output = MotionOutput.of_motions([on_body(motion, body)], body.skeleton)
        return replace(output, shots=cls.tiny_views(1), draw=BodyDrawing(body)).over()[0]

    @staticmethod
    def tiny_stage(num_samples: int, frames: int = 12) -> MotionStage:
        """A person of capsules in the T-pose, for the contract tests."""
        body = capsule_body()
        root = body.rest[body.pelvis].expand(frames, 3).clone()
        motion = Motion(torch.eye(3).expand(frames, 22, 3, 3).clone(), root)
        return MotionStage(tuple(range(num_samples)), (motion,) * num_samples, body)
