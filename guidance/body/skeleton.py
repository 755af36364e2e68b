"""The canonical skeleton: 22 joints, their rest positions, and forward kinematics.

Its joints are those of SMPL without hands. Everything is in meters; y points up, z to where the
person looks, and x to the left of the person. The rest pose is a T-pose in which all rotations are
identities: the axes of every joint are those of the world. A pose is then a rotation per joint
relative to its parent, and means the same on every body.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import JOINTS, NAMES


@dataclass(frozen=True)
class Skeleton:
    """Joints with their parents and rest positions; parents come before their children."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for the root
    rest: Float[Tensor, "j 3"]  # positions in the T-pose, in meters

    def offsets(self) -> Float[Tensor, "j 3"]:
        """The rest position of each joint relative to its parent; of the root, to the origin."""
        parents = [max(parent, 0) for parent in self.parents]
        offsets = self.rest - self.rest[parents]
        offsets[0] = self.rest[0]
        return offsets

    def pose(
        self, rotations: Float[Tensor, "*b j 3 3"], root: Float[Tensor, "*b 3"]
    ) -> tuple[Float[Tensor, "*b j 3 3"], Float[Tensor, "*b j 3"]]:
        """Forward kinematics.

        Args:
            rotations: of each joint relative to its parent; the identity is the T-pose.
            root: position of the first joint, in meters.

        Returns:
            The rotations and positions of the joints in the world.
        """
        offsets = self.offsets().to(rotations)
        turned, placed = [rotations[..., 0, :, :]], [root]
        for joint, parent in enumerate(self.parents[1:], 1):
            turned.append(turned[parent] @ rotations[..., joint, :, :])
            placed.append(placed[parent] + (turned[parent] @ offsets[joint]))
        return torch.stack(turned, -3), torch.stack(placed, -2)


def canonical() -> Skeleton:
    """The canonical skeleton of an adult of 1.7 m."""
    parents = tuple(-1 if parent is None else NAMES.index(parent) for _, parent, _ in JOINTS)
    rest = torch.zeros(len(NAMES), 3)
    for joint, (_, _, offset) in enumerate(JOINTS):
        parent = parents[joint]
        rest[joint] = torch.tensor(offset) + (rest[parent] if parent >= 0 else 0)
    return Skeleton(NAMES, parents, rest)
