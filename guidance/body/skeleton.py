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

#: Joint, parent, and offset from the parent in meters, for an adult of 1.7 m.
#: Source: segment lengths as fractions of the height, D. A. Winter, Biomechanics and Motor Control
#: of Human Movement, 4th edition (2009), figure 4.1; the spine is divided as in SMPL.
_JOINTS: tuple[tuple[str, str | None, tuple[float, float, float]], ...] = (
    ("pelvis", None, (0.0, 0.93, 0.0)),
    ("left_hip", "pelvis", (0.085, -0.065, 0.0)),
    ("right_hip", "pelvis", (-0.085, -0.065, 0.0)),
    ("spine1", "pelvis", (0.0, 0.1, 0.0)),
    ("left_knee", "left_hip", (0.015, -0.4, 0.0)),
    ("right_knee", "right_hip", (-0.015, -0.4, 0.0)),
    ("spine2", "spine1", (0.0, 0.13, 0.0)),
    ("left_ankle", "left_knee", (0.0, -0.4, -0.02)),
    ("right_ankle", "right_knee", (0.0, -0.4, -0.02)),
    ("spine3", "spine2", (0.0, 0.08, 0.0)),
    ("left_foot", "left_ankle", (0.02, -0.05, 0.13)),
    ("right_foot", "right_ankle", (-0.02, -0.05, 0.13)),
    ("neck", "spine3", (0.0, 0.2, -0.01)),
    ("left_collar", "spine3", (0.06, 0.12, 0.0)),
    ("right_collar", "spine3", (-0.06, 0.12, 0.0)),
    ("head", "neck", (0.0, 0.1, 0.03)),
    ("left_shoulder", "left_collar", (0.12, 0.02, 0.0)),
    ("right_shoulder", "right_collar", (-0.12, 0.02, 0.0)),
    ("left_elbow", "left_shoulder", (0.29, 0.0, 0.0)),
    ("right_elbow", "right_shoulder", (-0.29, 0.0, 0.0)),
    ("left_wrist", "left_elbow", (0.25, 0.0, 0.0)),
    ("right_wrist", "right_elbow", (-0.25, 0.0, 0.0)),
)
NAMES = tuple(name for name, _, _ in _JOINTS)


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
    parents = tuple(-1 if parent is None else NAMES.index(parent) for _, parent, _ in _JOINTS)
    rest = torch.zeros(len(NAMES), 3)
    for joint, (_, _, offset) in enumerate(_JOINTS):
        parent = parents[joint]
        rest[joint] = torch.tensor(offset) + (rest[parent] if parent >= 0 else 0)
    return Skeleton(NAMES, parents, rest)


#: The joints on the other side, for mirroring.
MIRRORED = tuple(
    NAMES.index(
        name.replace("left_", "right_")
        if name.startswith("left_")
        else name.replace("right_", "left_")
    )
    for name in NAMES
)
