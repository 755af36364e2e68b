"""Elbows and knees as hinges: a bend about another axis becomes a twist of the bone above.

Rigs differ in the twist of their arms and legs at rest, which the directions of bones do not show.
A forearm that seems to bend sideways belongs to an upper arm that is turned about its own axis.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from guidance.body.joint_names import NAMES
from guidance.body.limits import within_limits
from guidance.body.skeleton import canonical
from guidance.motion.motion import Motion
from guidance.motion.rotations import from_rotation_vectors, unit

Array = Any
REST: Array = canonical().rest.double().numpy()
#: Degrees of a bend from which its direction counts, and from which it counts fully.
CLEAR_DEG = (8.0, 35.0)
#: Frames over which the twist is smoothed, and the weight of no twist.
SMOOTH, PLAIN = 2.0, 0.03
#: Joints whose rotations can be limited without moving hands and feet much.
LIMITED = (
    "spine1", "spine2", "spine3", "neck", "head", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_ankle", "right_ankle", "left_collar", "right_collar",
)  # fmt: skip


def hinged(motion: Motion) -> Motion:
    """The motion with elbows and knees that bend about their own axes; no joint moves."""
    rotations = motion.rotations.double().numpy().copy()
    for side in ("left", "right"):
        for upper, lower, end in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
            _hinge(rotations, *(NAMES.index(f"{side}_{part}") for part in (upper, lower, end)))
    return replace(motion, rotations=torch.from_numpy(rotations).float())


def _hinge(rotations: Array, upper: int, lower: int, end: int) -> None:
    bone, way = unit(REST[lower] - REST[upper]), unit(REST[end] - REST[lower])
    # The direction to which the lower bone swings: forward of an arm, backward of a leg.
    swing = np.array([0, 0, 1.0 if abs(bone[0]) > 0.5 else -1.0])
    swing = unit(swing - (swing @ bone) * bone)
    third = np.cross(bone, swing)
    now = rotations[:, lower] @ way
    angle = np.arctan2(now @ third, now @ swing)
    bend = np.degrees(np.arccos(np.clip(now @ bone, -1, 1)))
    clear = np.clip((bend - CLEAR_DEG[0]) / (CLEAR_DEG[1] - CLEAR_DEG[0]), 0, 1)
    weight = clear * clear * (3 - 2 * clear)
    # Directions are averaged as vectors; frames without a bend take the twist of their neighbors.
    x = gaussian_filter1d(weight * np.cos(angle) + PLAIN, SMOOTH, mode="nearest")
    y = gaussian_filter1d(weight * np.sin(angle), SMOOTH, mode="nearest")
    twist = from_rotation_vectors(np.arctan2(y, x)[:, None] * bone)
    rotations[:, upper] = rotations[:, upper] @ twist
    rotations[:, lower] = np.swapaxes(twist, -1, -2) @ rotations[:, lower]


def limited(motion: Motion) -> Motion:
    """The motion with trunk, neck, collars, elbows and wrists within their limits."""
    at = [NAMES.index(name) for name in LIMITED]
    rotations = motion.rotations.clone()
    rotations[:, at] = within_limits(motion.rotations)[:, at]
    return replace(motion, rotations=rotations)
