"""Motions one after another, repeated, retimed, and two at the same time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from guidance.body.joint_names import NAMES
from guidance.motion.motion import Motion
from guidance.motion.rotations import (
    from_euler,
    from_rotation_vectors,
    resampled,
    resampled_points,
    rotation_vectors,
    slerp,
    unit,
)

Array = Any
#: Seconds over which one motion becomes the next.
BLEND_SECONDS = 0.3
#: Joints that a part of the body consists of.
PARTS: dict[str, tuple[str, ...]] = {
    "left arm": ("left_collar", "left_shoulder", "left_elbow", "left_wrist"),
    "right arm": ("right_collar", "right_shoulder", "right_elbow", "right_wrist"),
    "head": ("neck", "head"),
    "trunk": ("spine1", "spine2", "spine3"),
}
PARTS["arms"] = PARTS["left arm"] + PARTS["right arm"]
UPPER = PARTS["arms"] + PARTS["head"] + PARTS["trunk"]


def arrays(motion: Motion) -> tuple[Array, Array]:
    """Rotations and root in float64."""
    return motion.rotations.double().numpy(), motion.root.double().numpy()


def as_motion(rotations: Array, root: Array, like: Motion) -> Motion:
    """A motion of arrays, with the rate and the name of another."""
    return replace(
        like, rotations=torch.from_numpy(rotations).float(), root=torch.from_numpy(root).float()
    )


def heading(rotation: Array) -> Array:
    """The direction on the ground `[..., 3]` to which a pelvis looks.

    For a person who lies, it is the one that is at a right angle to the axis through the hips.
    """
    left = rotation[..., :, 0] * [1, 0, 1]
    found: Array = unit(np.cross(unit(left), [0, 1.0, 0]))
    return found


def aligned(motion: Motion, frame: int, target: Motion, target_frame: int) -> Motion:
    """The motion turned and moved over the ground so that one frame meets a frame of another."""
    rotations, root = arrays(motion)
    other, place = arrays(target)
    now, wanted = heading(rotations[frame, 0]), heading(other[target_frame, 0])
    angle = np.arctan2(wanted[0], wanted[2]) - np.arctan2(now[0], now[2])
    turn = from_euler("Y", np.degrees([angle]))
    rotations = rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    root = (root - root[frame] * [1, 0, 1]) @ turn.T + place[target_frame] * [1, 0, 1]
    return as_motion(rotations, root, motion)


def joined(first: Motion, second: Motion, seconds: float = BLEND_SECONDS) -> Motion:
    """One motion after another, blended over some seconds in which both go on."""
    most = min(first.num_frames, second.num_frames) // 2
    count = max(1, min(round(seconds * first.fps), most))
    second = aligned(second, count // 2, first, first.num_frames - count + count // 2)
    (a, p), (b, q) = arrays(first), arrays(second)
    part = (np.arange(count) + 1) / (count + 1)
    part = part * part * (3 - 2 * part)
    between = slerp(a[-count:], b[:count], part[:, None])
    places = p[-count:] * (1 - part[:, None]) + q[:count] * part[:, None]
    rotations = np.concatenate([a[:-count], between, b[count:]])
    return as_motion(rotations, np.concatenate([p[:-count], places, q[count:]]), first)


def sequence(motions: Sequence[Motion], seconds: float = BLEND_SECONDS) -> Motion:
    """Motions one after another."""
    result = motions[0]
    for motion in motions[1:]:
        result = joined(result, motion, seconds)
    return result


def repeated(motion: Motion, count: int, loop: bool) -> Motion:
    """A motion several times; the cycles of a loop follow each other at once.

    What remains between the last pose of a cycle and the first of the next is spread over it.
    """
    if count < 2:
        return motion
    if not loop or motion.num_frames < 4:
        return sequence([motion] * count, 0.2)
    rotations, root = arrays(closed(motion))
    step = (root[-1] - root[0]) * [1, 0, 1]
    length = len(root) - 1
    full = np.concatenate([rotations[:-1]] * count + [rotations[-1:]])
    places = np.concatenate([root[:-1] + step * cycle for cycle in range(count)])
    places = np.concatenate([places, root[-1:] + step * (count - 1)])
    assert len(full) == length * count + 1
    return as_motion(full, places, motion)


def closed(motion: Motion) -> Motion:
    """A loop whose last pose is exactly its first one; only travel over the ground remains."""
    rotations, root = arrays(motion)
    gap = rotation_vectors(np.swapaxes(rotations[-1], -1, -2) @ rotations[0])
    part = np.linspace(0, 1, len(root)) ** 2
    rotations = rotations @ from_rotation_vectors(part[:, None, None] * gap)
    lift = part[:, None] * (root[0] - root[-1]) * [0, 1.0, 0]
    return as_motion(rotations, root + lift, motion)


def best_cycle(motion: Motion, shortest: float = 0.5) -> Motion:
    """The part of a recording whose end is most like its start, as a closed loop.

    Args:
        shortest: seconds of a cycle at least.
    """
    joints = motion.joints().double().numpy()
    joints = joints - joints[:, :1] * [1, 0, 1]
    flat = joints.reshape(len(joints), -1)
    velocity = np.gradient(flat, axis=0) if len(flat) > 1 else flat
    features = np.concatenate([flat, 3 * velocity], 1)
    least = max(3, round(shortest * motion.fps))
    if len(features) <= least + 1:
        return closed(motion)
    stride = max(1, len(features) // 300)
    starts = np.arange(0, len(features), stride)
    distance = np.linalg.norm(features[starts, None] - features[None, starts], axis=-1)
    apart = (starts[None] - starts[:, None]) >= least
    score = np.where(apart, distance, np.inf)
    start, end = (int(starts[i]) for i in np.unravel_index(score.argmin(), score.shape))
    return closed(
        replace(
            motion, rotations=motion.rotations[start : end + 1], root=motion.root[start : end + 1]
        )
    )


def retimed(motion: Motion, speed: float) -> Motion:
    """A motion that is faster (above 1) or slower, at the same rate of frames."""
    if abs(speed - 1) < 1e-6:
        return motion
    rotations, root = arrays(motion)
    count = max(2, round((motion.num_frames - 1) / speed) + 1)
    times = np.arange(motion.num_frames, dtype=float)
    at = np.linspace(0, motion.num_frames - 1, count)
    return as_motion(resampled(rotations, times, at), resampled_points(root, times, at), motion)


def layered(base: Motion, upper: Motion, joints: Collection[str] = UPPER) -> Motion:
    """The base with some joints of another motion of the same length."""
    rotations = base.rotations.clone()
    frames = min(base.num_frames, upper.num_frames)
    for name in joints:
        at = NAMES.index(name)
        rotations[:frames, at] = upper.rotations[:frames, at]
        rotations[frames:, at] = upper.rotations[frames - 1, at]
    return replace(base, rotations=rotations)
