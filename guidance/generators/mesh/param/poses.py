"""The poses in which a body is seen: all frames of a motion, and a neutral one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.motion.motion import Motion

#: How far the arms are lowered in the neutral pose, in degrees.
LOWERED_DEG = 50.0


@dataclass(frozen=True)
class Poses:
    """Poses of the canonical skeleton for each sample: neutral at 0, then the frames."""

    rotations: Float[Tensor, "n t 22 3 3"]
    root: Float[Tensor, "n t 3"]
    frames: tuple[int, ...]  # of each sample; further poses repeat the last one

    @classmethod
    def of(cls, motions: Sequence[Motion | None]) -> Poses:
        """The poses of the motion of each sample; None is the neutral pose alone."""
        found = [_poses(motion) for motion in motions]
        longest = max(len(root) for _, root in found)
        last = [torch.arange(longest).clamp_max(len(root) - 1) for _, root in found]
        rotations = torch.stack([r[i] for (r, _), i in zip(found, last, strict=True)])
        root = torch.stack([p[i] for (_, p), i in zip(found, last, strict=True)])
        return cls(rotations, root, tuple(len(p) - 1 for _, p in found))

    def chosen(self, sample: int, count: int, *, skip: Sequence[int] = ()) -> list[int]:
        """Poses of the motion that differ most: each is the one farthest from those before.

        Args:
            count: how many, fewer if the motion has fewer frames.
            skip: poses that are not chosen.
        """
        frames = self.frames[sample]
        joints = canonical().pose(self.rotations[sample], self.root[sample])[1]
        shapes = (joints - joints[:, :1]).flatten(1)[: frames + 1]
        away = torch.full((frames + 1,), torch.inf)
        away[[0, *skip]] = -1
        found: list[int] = []
        following = 1 + frames // 2
        while len(found) < count and bool((away > 0).any()):
            if found or following in skip or following > frames:
                following = int(away.argmax())
            found.append(following)
            away = away.minimum((shapes - shapes[following]).norm(dim=1))
        return found or [0]

    def frame(self, sample: int, index: int) -> Int[Tensor, ""]:
        """The pose of a frame, counted from 0; motions repeat."""
        return torch.tensor(1 + index % self.frames[sample] if self.frames[sample] else 0)


def distinct(pose: Int[Tensor, "n v"]) -> tuple[Int[Tensor, "n m"], Int[Tensor, "n v"]]:
    """The poses of each sample without repetitions, and the place of each pose among these.

    Rows with fewer poses than others repeat their first one.
    """
    found = [row.unique(return_inverse=True) for row in pose]
    most = max(len(own) for own, _ in found)
    rows = [torch.cat([own, own[:1].expand(most - len(own))]) for own, _ in found]
    return torch.stack(rows), torch.stack([place for _, place in found])


def neutral() -> tuple[Float[Tensor, "1 22 3 3"], Float[Tensor, "1 3"]]:
    """Standing upright with lowered arms."""
    rotations = torch.eye(3).repeat(1, len(NAMES), 1, 1)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        angle = math.radians(sign * LOWERED_DEG)
        turn = [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]]
        rotations[0, NAMES.index(f"{side}_shoulder")] = torch.tensor([*turn, [0, 0, 1]])
    return rotations, canonical().rest[:1].clone()


def _poses(motion: Motion | None) -> tuple[Tensor, Tensor]:
    rotations, root = neutral()
    if motion is None:
        return rotations, root
    return torch.cat([rotations, motion.rotations]), torch.cat([root, motion.root])
