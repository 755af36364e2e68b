"""The canonical T-pose of a rig at rest in another pose, e.g. an A-pose."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical

#: Directions shorter than this, in meters, are none.
SHORT = 1e-4
#: The sine of the angle from which on a bent elbow tells its axis.
BENT = 0.1


def straightening(
    heads: Float[Tensor, "j 3"], parents: tuple[int, ...], found: tuple[int, ...]
) -> Float[Tensor, "j 3 3"]:
    """World rotations of the joints that straighten arms and legs; the trunk keeps its pose.

    Upper arms, forearms and hands point outwards with the palms down, thighs and shins in the
    directions of the canonical skeleton; feet stay flat on the ground, and only turn to the
    canonical direction. Bones rotate by the smallest angle, but the axis of a bent elbow becomes
    the vertical one.

    Args:
        heads: positions of the joints in meters, y up, facing +z.
        found: for each canonical joint, the joint, or -1.
    """
    rotations = _canonical_rotations(heads, parents, found)
    of_joint: dict[int, Tensor] = {
        joint: rotations[name] for name, joint in zip(NAMES, found, strict=True) if joint >= 0
    }
    result: list[Tensor] = []
    for joint, parent in enumerate(parents):
        above = result[parent] if parent >= 0 else torch.eye(3).to(heads)
        result.append(of_joint.get(joint, above))
    return torch.stack(result)


def _canonical_rotations(
    heads: Tensor, parents: tuple[int, ...], found: tuple[int, ...]
) -> dict[str, Tensor]:
    joint_of = dict(zip(NAMES, found, strict=True))
    rest = dict(zip(NAMES, canonical().offsets().to(heads), strict=True))
    rotations = {name: torch.eye(3).to(heads) for name in NAMES}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        at = {
            part: heads[joint_of[f"{side}_{part}"]]
            for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        }
        outwards, up = heads.new_tensor([sign, 0.0, 0.0]), heads.new_tensor([0.0, 1.0, 0.0])
        upper, lower = at["elbow"] - at["shoulder"], at["wrist"] - at["elbow"]
        normal = torch.linalg.cross(F.normalize(lower, dim=0), F.normalize(upper, dim=0)) * sign
        if normal.norm() > BENT:
            target = _frame(outwards, up)
            rotations[f"{side}_shoulder"] = target @ _frame(upper, normal).mT
            rotations[f"{side}_elbow"] = target @ _frame(lower, normal).mT
        else:
            rotations[f"{side}_shoulder"] = turn(upper, outwards)
            rotations[f"{side}_elbow"] = turn(lower, outwards)
        hand = _below(heads, parents, joint_of[f"{side}_wrist"]) - at["wrist"]
        straight = rotations[f"{side}_elbow"]
        rotations[f"{side}_wrist"] = turn(straight @ hand, outwards) @ straight
        thigh, shin = at["knee"] - at["hip"], at["ankle"] - at["knee"]
        rotations[f"{side}_hip"] = turn(thigh, rest[f"{side}_knee"])
        rotations[f"{side}_knee"] = turn(shin, rest[f"{side}_ankle"])
        toes = joint_of[f"{side}_foot"]
        flat = heads.new_tensor([1.0, 0.0, 1.0])
        foot = (heads[toes] - at["ankle"]) * flat if toes >= 0 else torch.zeros_like(flat)
        yaw = turn(foot, rest[f"{side}_foot"] * flat)
        rotations[f"{side}_ankle"] = rotations[f"{side}_foot"] = yaw
    return rotations


def _below(heads: Tensor, parents: tuple[int, ...], joint: int) -> Tensor:
    """The mean of the children of a joint; the joint itself if it has none."""
    children = [index for index, parent in enumerate(parents) if parent == joint]
    return heads[children].mean(0) if children else heads[joint]


def _frame(first: Tensor, second: Tensor) -> Tensor:
    """The orthonormal frame with the first axis, and the second in the plane of both."""
    x = F.normalize(first, dim=0)
    y = F.normalize(second - (second @ x) * x, dim=0)
    return torch.stack([x, y, torch.linalg.cross(x, y)], 1)


def turn(first: Float[Tensor, "3"], second: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The smallest rotation from one direction to another; none for a direction of length 0.

    For opposite directions, it turns about y, or about x if they are vertical.
    """
    if first.norm() < SHORT or second.norm() < SHORT:
        return torch.eye(3).to(first)
    a, b = F.normalize(first, dim=0), F.normalize(second, dim=0)
    cosine = a @ b
    if cosine < -1 + 1e-6:
        axis = a.new_tensor([0.0, 1.0, 0.0] if abs(a[1]) < 0.9 else [1.0, 0.0, 0.0])
        axis = F.normalize(axis - (axis @ a) * a, dim=0)
        return 2 * torch.outer(axis, axis) - torch.eye(3).to(a)
    v = torch.linalg.cross(a, b)
    zero = torch.zeros_like(cosine)
    k = torch.stack([zero, -v[2], v[1], v[2], zero, -v[0], -v[1], v[0], zero]).view(3, 3)
    return torch.eye(3).to(a) + k + k @ k / (1 + cosine)
