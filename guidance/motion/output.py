"""Motions of all samples as the output of a generator, with images of them where a loss reads some.

The letters of the shapes are those of `guidance.types`; in addition, t counts poses, those of the
longest sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.body.skeleton import Skeleton, canonical
from guidance.errors import InputError
from guidance.motion.motion import Motion
from guidance.outputs import Images, Output, Rendering
from guidance.views import Shots

#: Draws poses: rotations and roots `[n, v, ...]`, and the views that show them.
Draw = Callable[[Float[Tensor, "n v 22 3 3"], Float[Tensor, "n v 3"], Shots], Rendering]


@dataclass(frozen=True, eq=False)
class MotionOutput(Images):
    """The motions of all samples: rotations, and where they put the joints.

    Losses of motions read `rotations`, `world` and `joints`, which are leaves. Losses of images
    read `image`, which is rendered when it is first read.
    """

    rotations: Float[Tensor, "n t 22 3 3"]  # of the joints relative to their parents
    world: Float[Tensor, "n t 22 3 3"] = field(repr=False)  # of the joints in the world
    joints: Float[Tensor, "n t 22 3"] = field(repr=False)  # positions in meters
    frames: tuple[int, ...]  # poses of each sample; those that follow repeat its last one
    fps: float
    skeleton: Skeleton = field(repr=False)  # on which the joints are
    shots: Shots | None = field(default=None, repr=False)
    draw: Draw | None = field(default=None, repr=False)
    #: The same output before it was detached from the generator.
    origin: MotionOutput | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        rotations: Float[Tensor, "n t 22 3 3"],
        root: Float[Tensor, "n t 3"],
        frames: Sequence[int],
        *,
        fps: float = 30.0,
        skeleton: Skeleton | None = None,
    ) -> MotionOutput:
        """The output of rotations and positions of the pelvis, by forward kinematics."""
        skeleton = skeleton or canonical()
        world, joints = skeleton.pose(rotations, root)
        return cls(rotations, world, joints, tuple(frames), fps, skeleton)

    @classmethod
    def of_motions(
        cls, motions: Sequence[Motion], skeleton: Skeleton | None = None
    ) -> MotionOutput:
        """The output of given motions, the shorter ones padded."""
        frames = [motion.num_frames for motion in motions]
        rotations = torch.stack([padded(m.rotations, max(frames)) for m in motions])
        root = torch.stack([padded(m.root, max(frames)) for m in motions])
        return cls.of(rotations, root, frames, fps=motions[0].fps, skeleton=skeleton)

    @property
    def root(self) -> Float[Tensor, "n t 3"]:
        """Positions of the pelvis."""
        return self.joints[:, :, 0]

    @cached_property
    def valid(self) -> Bool[Tensor, "n t"]:
        """Which poses are those of the motion, and not padding."""
        counts = torch.tensor(self.frames, device=self.device)
        return torch.arange(self.rotations.shape[1], device=self.device) < counts[:, None]

    def motion(self, sample: int, name: str = "") -> Motion:
        """The motion of one sample, without gradient, on the CPU."""
        count = self.frames[sample]
        rotations, root = (v[sample, :count].detach().cpu() for v in (self.rotations, self.root))
        return Motion(rotations, root.contiguous(), self.fps, name)

    @cached_property
    def image(self) -> Float[Tensor, "n v 3 h w"]:  # type: ignore[override]
        """The rendered views, premultiplied by `alpha`.

        Raises:
            InputError: there are no cameras.
        """
        return self._drawn.image

    @cached_property
    def alpha(self) -> Float[Tensor, "n v 1 h w"]:  # type: ignore[override]
        """The coverage of the rendered views."""
        assert self._drawn.alpha is not None
        return self._drawn.alpha

    @cached_property
    def _drawn(self) -> Rendering:
        if self.origin is not None:
            return self.origin._drawn.leaf()
        if self.shots is None or self.draw is None:
            raise InputError("a motion has no images without cameras; give views")
        # The first reader may run under no_grad, a later one not.
        with torch.set_grad_enabled(self.rotations.requires_grad):
            return self.draw(*self.poses_at(self.shots), self.shots)

    def poses_at(self, shots: Shots) -> tuple[Float[Tensor, "n v 22 3 3"], Float[Tensor, "n v 3"]]:
        """Rotations and positions of the pelvis at the moments of the views: the nearest poses."""
        assert shots.at is not None
        last = torch.tensor(self.frames, device=self.device) - 1
        index = (shots.at.to(self.device) * last[:, None]).round().long()
        rows = torch.arange(len(self.frames), device=self.device)[:, None]
        return self.rotations[rows, index], self.joints[rows, index, 0]

    @property
    def cameras(self) -> Shots | None:  # type: ignore[override]
        """The cameras of the views."""
        return self.shots

    @property
    def shape(self) -> torch.Size:
        if self.shots is None:
            raise InputError("a motion has no images without cameras; give views")
        n, v = self.shots.light.shape[:2]
        return torch.Size((n, v, 3, self.shots.height, self.shots.width))

    @property
    def num_samples(self) -> int:
        return len(self.rotations)

    @property
    def dtype(self) -> torch.dtype:
        return self.rotations.dtype

    @property
    def device(self) -> torch.device:
        return self.rotations.device

    def leaves(self) -> list[Tensor]:
        """Rotations, world rotations and joints; image and alpha once they were read."""
        found = [self.rotations, self.world, self.joints]
        return [*found, self.image, self.alpha] if "_drawn" in vars(self) else found

    def leaf(self) -> MotionOutput:
        moved = {
            name: getattr(self, name).detach().requires_grad_()
            for name in ("rotations", "world", "joints")
        }
        return replace(self, **moved, origin=self)

    def detach(self) -> MotionOutput:
        moved = {name: getattr(self, name).detach() for name in ("rotations", "world", "joints")}
        return replace(self, **moved, origin=None)


def padded(values: Float[Tensor, "t *m"], count: int) -> Float[Tensor, "_ *m"]:
    """The values, with the last one repeated until there are `count`."""
    missing = count - len(values)
    return (
        torch.cat([values, values[-1:].expand(missing, *values.shape[1:])]) if missing else values
    )


def as_motions(output: Output, loss: str) -> MotionOutput:
    """The same output, for losses that need motions.

    Raises:
        InputError: it holds something else.
    """
    if not isinstance(output, MotionOutput):
        raise InputError(f"{loss}: expected an output of motions, got {type(output).__name__}")
    return output
