"""The parts of a body that prompts can be about, from its skinning weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.body.body import Body
from guidance.body.skeleton import NAMES
from guidance.errors import InputError

#: The canonical joints, without their side, that move each part.
_JOINTS = {
    "head": ("neck", "head"),
    "torso": ("spine1", "spine2", "spine3", "collar"),
    "arms": ("shoulder", "elbow"),
    "hands": ("wrist",),
    "hips": ("pelvis",),
    "legs": ("hip", "knee"),
    "feet": ("ankle", "foot"),
}
PARTS = tuple(_JOINTS)
ALL = -1  # every bit


def part_of_joints(body: Body) -> list[int]:
    """The part of each joint: that of the canonical joint which it is or hangs on."""
    own = {joint: index for index, joint in enumerate(body.canonical) if joint >= 0}
    found: list[int] = []
    for joint, parent in enumerate(body.parents):
        if joint in own:
            name = NAMES[own[joint]].removeprefix("left_").removeprefix("right_")
            found.append(next(i for i, part in enumerate(PARTS) if name in _JOINTS[part]))
        else:
            found.append(found[parent] if parent >= 0 else PARTS.index("hips"))
    return found


def part_weights(body: Body) -> Float[Tensor, "p k"]:
    """The share of each part in the motion of each vertex."""
    columns = torch.tensor(part_of_joints(body))
    total = torch.zeros(len(body.template), len(PARTS))
    return total.index_add(1, columns, body.weights.float().cpu())


def part_of_faces(body: Body) -> Int[Tensor, "f"]:
    """The part of each face."""
    return part_weights(body)[body.faces.cpu().long()].mean(1).argmax(1)


def bits(parts: Iterable[str]) -> int:
    """A set of parts as an integer.

    Raises:
        InputError: an unknown part.
    """
    total = 0
    for part in parts:
        if part not in PARTS:
            raise InputError(f"part {part!r}: expected {', '.join(PARTS)}")
        total |= 1 << PARTS.index(part)
    return total


def names(shown: int) -> tuple[str, ...]:
    """The parts of an integer that `bits` made."""
    return tuple(part for index, part in enumerate(PARTS) if shown >> index & 1)
