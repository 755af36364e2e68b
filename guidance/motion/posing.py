"""Poses from where hands and feet are: forward kinematics of the trunk, inverse ones of the limbs.

The quantities are those of `guidance.motion.authored`, as arrays `[t, components]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.motion.files.rig import FPS
from guidance.motion.motion import Motion
from guidance.motion.rotations import bent, from_euler, unit

Array = Any
SKELETON = canonical()
REST: Array = SKELETON.rest.double().numpy()
FOOT: Array = REST[NAMES.index("left_foot")] - REST[NAMES.index("left_ankle")]
#: About which axis of the T-pose an elbow or a knee bends.
AXES: dict[str, Array] = {
    "left_elbow": np.array([0.0, 1, 0]), "right_elbow": np.array([0.0, -1, 0]),
    "left_knee": np.array([-1.0, 0, 0]), "right_knee": np.array([-1.0, 0, 0]),
}  # fmt: skip


def solved(pose: Mapping[str, Array]) -> Motion:
    """The motion of quantities `[t, c]` in each frame."""
    world = np.tile(np.eye(3), (len(pose["hips"]), len(NAMES), 1, 1))
    places = np.zeros((len(world), len(NAMES), 3))
    places[:, 0] = pose["hips"]
    pelvis = np.concatenate([pose["turn"], pose["lean"], -pose["tilt"]], 1)
    world[:, 0] = from_euler("YXZ", pelvis)
    spine = from_euler("YXZ", np.concatenate([pose["twist"], pose["bend"], -pose["side"]], 1) / 3)
    head = from_euler("YXZ", np.concatenate([pose["look"], pose["nod"], -pose["cock"]], 1) / 2)
    for name in ("spine1", "spine2", "spine3", "neck", "head"):
        _turn(world, places, name, spine if name.startswith("spine") else head)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        raised = np.maximum(pose[f"{side[0]}_hand"][:, 1:2], 0) * 22 + pose["shrug"]
        zero = np.zeros_like(raised)
        collar = from_euler("XYZ", np.concatenate([zero, zero, sign * raised], 1))
        _turn(world, places, f"{side}_collar", collar)
        _arm(world, places, pose, side, sign)
        _leg(world, places, pose, side, sign)
    whole = from_euler("YXZ", np.concatenate([pose["spin"], pose["tumble"], -pose["wheel"]], 1))
    world = whole[:, None] @ world
    rotations = world.copy()
    for joint, parent in enumerate(SKELETON.parents):
        if parent >= 0:
            rotations[:, joint] = np.swapaxes(world[:, parent], -1, -2) @ world[:, joint]
    return Motion(
        torch.from_numpy(rotations).float(),
        torch.from_numpy(pose["hips"] + pose["move"]).float(),
        FPS,
    )


def _turn(world: Array, places: Array, name: str, rotation: Array) -> None:
    """Places a joint below its parent and turns it relative to it."""
    joint = NAMES.index(name)
    parent = SKELETON.parents[joint]
    places[:, joint] = places[:, parent] + world[:, parent] @ (REST[joint] - REST[parent])
    world[:, joint] = world[:, parent] @ rotation


def _hinge(direction: Array, axis: Array) -> Array:
    """Axes of a bone that bends about `axis`."""
    first = unit(direction)
    second = unit(axis - (axis * first).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], -1)


def _chain(
    world: Array, places: Array, names: tuple[str, str, str], target: Array, pole: Array
) -> None:
    """Turns two bones so that their end is at the target."""
    rest_axis = AXES[names[1]]
    start, middle, end = (NAMES.index(name) for name in names)
    parent = SKELETON.parents[start]
    places[:, start] = places[:, parent] + world[:, parent] @ (REST[start] - REST[parent])
    bones = REST[middle] - REST[start], REST[end] - REST[middle]
    upper, lower = (float(np.linalg.norm(bone)) for bone in bones)
    to_middle, to_end, side = bent(target - places[:, start], pole, upper, lower)
    axis = np.cross(unit(to_end), side)
    for joint, own, way in ((start, bones[0], to_middle), (middle, bones[1], to_end - to_middle)):
        world[:, joint] = _hinge(way, axis) @ _hinge(own, rest_axis).T
    places[:, middle] = places[:, start] + to_middle
    places[:, end] = places[:, start] + to_end


def _arm(world: Array, places: Array, pose: Mapping[str, Array], side: str, sign: float) -> None:
    chest = world[:, NAMES.index("spine3")]
    flip = np.array([sign, 1, 1])
    hand = pose[f"{side[0]}_hand"]
    collar = NAMES.index(f"{side}_collar")
    shoulder = NAMES.index(f"{side}_shoulder")
    start = places[:, collar] + world[:, collar] @ (REST[shoulder] - REST[collar])
    length = abs(float(REST[NAMES.index(f"{side}_wrist"), 0] - REST[shoulder, 0]))
    high = np.clip(hand[:, 1:2], 0, 1)
    natural = np.concatenate([0.45 + 0.5 * high, -0.7 + 0.0 * high, -0.55 + 0.6 * high], 1)
    given = pose[f"{side[0]}_elbow"]
    pole = np.where(np.abs(given).sum(1, keepdims=True) > 1e-6, given, natural)
    target = start + (chest @ (hand * flip * length)[..., None])[..., 0]
    pole = (chest @ (pole * flip)[..., None])[..., 0]
    names = (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    _chain(world, places, names, target, pole)
    flex, deviate, twist = pose[f"{side[0]}_wrist"].T
    turn = from_euler("XZY", np.stack([twist, -sign * flex, sign * deviate], -1))
    world[:, NAMES.index(names[2])] = world[:, NAMES.index(names[1])] @ turn


def _rolled(pose: Mapping[str, Array], side: str) -> Array:
    """How an ankle moves if a foot on the ground rolls over its toes, which stay."""
    down = np.radians(np.maximum(pose[f"{side}_toe"], 0))
    upright = np.cos(np.radians(pose["tumble"])) * np.cos(np.radians(pose["wheel"]))
    near = np.clip(1 - np.abs(pose[f"{side}_foot"][:, 1:2]) / 0.12, 0, 1) * np.clip(upright, 0, 1)
    low, ahead = -FOOT[1], FOOT[2]
    up = ahead * np.sin(down) - low * (1 - np.cos(down))
    forward = ahead * (1 - np.cos(down)) + low * np.sin(down)
    return near * np.concatenate([0 * up, up, forward], 1)


def _leg(world: Array, places: Array, pose: Mapping[str, Array], side: str, sign: float) -> None:
    heading = from_euler("Y", pose["turn"] / 2)
    flip = np.array([sign, 1, 1])
    target = pose[f"{side[0]}_foot"] + [0, REST[NAMES.index("left_ankle"), 1], 0]
    target = target + _rolled(pose, side[0])
    pole = (heading @ (pose[f"{side[0]}_knee"] * flip)[..., None])[..., 0]
    names = (f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    _chain(world, places, names, target, pole)
    out = sign * pose[f"{side[0]}_out"]
    foot = from_euler("YX", np.concatenate([out, pose[f"{side[0]}_toe"]], 1))
    for part in ("ankle", "foot"):
        world[:, NAMES.index(f"{side}_{part}")] = foot
