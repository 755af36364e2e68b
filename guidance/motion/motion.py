"""A motion: the poses of the canonical skeleton over time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import MIRRORED
from guidance.body.skeleton import Skeleton, canonical


@dataclass(frozen=True)
class Motion:
    """Poses of the canonical skeleton at equal intervals.

    `guidance.body.skeleton` defines joints and axes. A body of another size is moved by the same
    rotations, and its root by `root` times the ratio of the heights of the pelvis at rest.
    """

    rotations: Float[Tensor, "t 22 3 3"]  # relative to the parent; identity in the T-pose
    root: Float[Tensor, "t 3"]  # position of the pelvis, in meters
    fps: float = 30.0
    name: str = ""

    @property
    def num_frames(self) -> int:
        """The number of poses."""
        return len(self.root)

    @property
    def seconds(self) -> float:
        """The time from the first pose to the last."""
        return (self.num_frames - 1) / self.fps

    def joints(self, skeleton: Skeleton | None = None) -> Float[Tensor, "t 22 3"]:
        """Positions of the joints in the world, in meters, on the canonical skeleton by default."""
        return (skeleton or canonical()).pose(self.rotations, self.root)[1]

    def mirrored(self) -> Motion:
        """The same motion with left and right exchanged."""
        flip = torch.tensor([-1.0, 1.0, 1.0]).to(self.root)
        order = list(MIRRORED)
        rotations = flip[:, None] * self.rotations[:, order] * flip
        return replace(self, rotations=rotations, root=self.root * flip)
