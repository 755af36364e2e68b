"""Retargeting: a recording of any rig becomes a motion of the canonical skeleton.

A rig differs in its axes, its rest pose and its proportions. Axes cancel, since only rotations
relative to rest are used, in the frame of the world. The rest pose is corrected by the directions
of arms and legs, from the T-pose. The root moves by the ratio of the lengths of the legs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch

from guidance.body.joint_names import NAMES
from guidance.body.joints import find_joints
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.motion.files.rig import FPS, Recording, Rig
from guidance.motion.motion import Motion
from guidance.motion.rotations import between, unit

Array = Any
PARENTS = canonical().parents
REST: Array = canonical().rest.double().numpy()
#: Bones whose direction at rest says how the rest pose differs from the T-pose.
DIRECTIONS = {
    f"{side}_{joint}": f"{side}_{end}"
    for side in ("left", "right")
    for joint, end in (
        ("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"),
    )
}  # fmt: skip
#: Least cosine between the way from feet to hips and that from hips to head of a standing person.
STANDING = 0.8


def index(name: str) -> int:
    """The number of a canonical joint."""
    return NAMES.index(name)


def retarget(recording: Recording, where: str) -> Motion:
    """The motion of the canonical skeleton that a recording shows.

    Raises:
        InputError: joints are not recognized, or no pose of the rig is a person who stands.
    """
    rig = recording.rig
    joints = find_joints(rig.names, rig.parents, where)
    rest_rotations, rest = rig.rotations, rig.positions
    if not is_standing(rest, joints):
        rest_rotations, rest = recording.rotations[0], recording.positions[0]
        if not is_standing(rest, joints):
            raise InputError(
                f"{where}: neither the rest pose nor the first frame is a person who stands with "
                "straight legs; export it with a T-pose or an A-pose as the rest pose"
            )
    turn = upright(rest, joints)
    rest = rest @ turn.T
    deltas = {
        name: turn @ (recording.rotations[:, at] @ np.swapaxes(rest_rotations[at], -1, -2)) @ turn.T
        for name, at in joints.items()
    }
    corrections = rest_pose(rest, joints)
    world = np.empty((len(recording.rotations), len(NAMES), 3, 3))
    for joint, name in enumerate(NAMES):
        if name in deltas:
            world[:, joint] = deltas[name] @ corrections[joint]
        else:
            world[:, joint] = world[:, PARENTS[joint]]
    hips = [joints["left_hip"], joints["right_hip"]]
    return from_world(
        world,
        recording.positions[:, hips].mean(1) @ turn.T,
        leg_length(rest, joints),
        _ankle_height(rest, joints),
        recording.name,
    )


def from_world(world: Array, hips: Array, leg: float, ankle: float, name: str) -> Motion:
    """A motion of world rotations `[t, 22, 3, 3]` of a person of another size.

    Args:
        hips: the point between the hips `[t, 3]`, y up.
        leg: length from hip to ankle.
        ankle: height of an ankle at rest, where the sole is on the ground.
    """
    ratio = leg_length(REST, {joint: at for at, joint in enumerate(NAMES)}) / leg
    own_ankle = REST[index("left_ankle"), 1]
    middle = (REST[index("left_hip")] + REST[index("right_hip")]) / 2 - REST[0]
    moved = (hips - [0, ankle, 0]) * ratio + [0, own_ankle, 0]
    root = moved - world[:, 0] @ middle
    rotations = world.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            rotations[:, joint] = np.swapaxes(world[:, parent], -1, -2) @ world[:, joint]
    if not np.isfinite(root).all() or not np.isfinite(rotations).all():
        raise InputError(f"{name or 'motion'}: contains numbers that are not finite")
    return Motion(torch.from_numpy(rotations).float(), torch.from_numpy(root).float(), FPS, name)


def leg_length(rest: Array, joints: dict[str, int]) -> float:
    """The mean length from hip to ankle. Raises InputError if it is 0."""
    total = 0.0
    for side in ("left", "right"):
        chain = [rest[joints[f"{side}_{part}"]] for part in ("hip", "knee", "ankle")]
        total += sum(float(np.linalg.norm(b - a)) for a, b in pairwise(chain))
    if not total > 1e-6:
        raise InputError("the legs of the rig have no length")
    return total / 2


def _ankle_height(rest: Array, joints: dict[str, int]) -> float:
    """How high the ankles are above the ground, which is at 0 if the rest pose stands on it."""
    leg = leg_length(rest, joints)
    height = float(np.mean([rest[joints[f"{side}_ankle"], 1] for side in ("left", "right")]))
    own = REST[index("left_ankle"), 1] / leg_length(REST, dict(zip(NAMES, range(22), strict=True)))
    return height if 0.03 * leg < height < 0.25 * leg else own * leg


def is_standing(rest: Array, joints: dict[str, int]) -> bool:
    """Whether a pose is a person who stands: feet below the hips, shoulders above them."""
    legs = [
        unit(rest[joints[f"{side}_{a}"]] - rest[joints[f"{side}_{b}"]])
        for side in ("left", "right")
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    shoulders = (rest[joints["left_shoulder"]] + rest[joints["right_shoulder"]]) / 2
    hips = (rest[joints["left_hip"]] + rest[joints["right_hip"]]) / 2
    up = unit(shoulders - hips)
    return all(float(leg @ up) > STANDING for leg in legs)


def upright(rest: Array, joints: dict[str, int]) -> Array:
    """The rotation that makes a standing pose look along z with y up.

    Axes that are nearly those of the world become them exactly, so that a rig that leans a little
    keeps its ground level.
    """
    shoulders = (rest[joints["left_shoulder"]] + rest[joints["right_shoulder"]]) / 2
    ankles = (rest[joints["left_ankle"]] + rest[joints["right_ankle"]]) / 2
    up = _snapped(unit(shoulders - ankles))
    left = rest[joints["left_hip"]] - rest[joints["right_hip"]]
    left = _snapped(unit(left - (left @ up) * up))
    left = unit(left - (left @ up) * up)
    return np.stack([left, up, np.cross(left, up)])


def _snapped(direction: Array) -> Array:
    axis = np.zeros(3)
    axis[np.abs(direction).argmax()] = np.sign(direction[np.abs(direction).argmax()])
    return axis if direction @ axis > 0.94 else direction


def rest_pose(rest: Array, joints: dict[str, int]) -> Array:
    """World rotations `[22, 3, 3]` from the T-pose to the rest pose of a rig.

    Trunk and collars are taken as they are: their directions differ by anatomy, not by pose. So do
    feet, but for the side to which they point.
    """
    turns = np.tile(np.eye(3), (len(NAMES), 1, 1))
    for joint, name in enumerate(NAMES[1:], 1):
        above = turns[PARENTS[joint]]
        side, _, part = name.partition("_")
        if DIRECTIONS.get(name) in joints and name in joints:
            end = DIRECTIONS[name]
            own = above @ (REST[index(end)] - REST[joint])
            turns[joint] = between(own, rest[joints[end]] - rest[joints[name]]) @ above
        elif part == "wrist":
            turns[joint] = above
        elif part == "ankle" and f"{side}_foot" in joints:
            turns[joint] = _heading(
                REST[index(f"{side}_foot")] - REST[joint],
                rest[joints[f"{side}_foot"]] - rest[joints[name]],
            )
        elif part == "foot":
            turns[joint] = above
    return turns


def _heading(first: Array, second: Array) -> Array:
    """The rotation about y from one direction to another."""
    flat = np.array([1.0, 0, 1.0])
    if np.linalg.norm(second * flat) < 1e-6:
        return np.eye(3)
    return between(first * flat, second * flat)


def plain_rig(names: tuple[str, ...], parents: tuple[int, ...], positions: Array) -> Rig:
    """A rig whose axes at rest are those of the world."""
    return Rig(names, parents, np.tile(np.eye(3), (len(names), 1, 1)), positions)
