"""Contacts of the feet, and what they allow: the level of the ground, travel, and foot lock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import Skeleton, canonical
from guidance.motion.motion import Motion
from guidance.motion.rotations import bent, between, unit

Array = Any
SIDES = ("left", "right")
ANKLES = tuple(NAMES.index(f"{side}_ankle") for side in SIDES)
TOES = tuple(NAMES.index(f"{side}_foot") for side in SIDES)
REST: Array = canonical().rest.double().numpy()
#: Heights of ankles and toe joints of a person who stands, in meters.
ANKLE_HEIGHT, TOE_HEIGHT = float(REST[ANKLES[0], 1]), float(REST[TOES[0], 1])
#: A foot is in contact if it is lower than this above its height at rest, and slower than this.
CONTACT_HEIGHT, CONTACT_SPEED = 0.05, 0.2


def speeds(points: Array, fps: float | int) -> Array:
    """Horizontal speed in m/s of points `[t, ..., 3]`, from the neighbors in time."""
    if len(points) < 2:
        return np.zeros(points.shape[:-1])
    velocity = np.gradient(points, 1 / fps, axis=0)
    return np.linalg.norm(velocity[..., [0, 2]], axis=-1)


def contacts(joints: Array, fps: float | int, rest: Array = REST) -> Array:
    """Which feet are on the ground `[t, 2]`: ankle or toe joint is low and slow.

    Args:
        rest: positions of the joints of the skeleton in the T-pose.
    """
    joints = np.asarray(joints, np.float64)
    found = np.zeros((len(joints), 2), bool)
    for points in (ANKLES, TOES):
        feet = joints[:, points]
        found |= _low(feet, rest[list(points)]) & (speeds(feet, fps) < CONTACT_SPEED)
    return found


def _low(feet: Array, rest: Array) -> Array:
    return feet[..., 1] - rest[:, 1] < CONTACT_HEIGHT


def _held(touching: Array, joints: Array, rest: Array) -> Array:
    """Contacts with the low frames beside them, in which a foot lands or starts to leave."""
    low = _low(joints[:, ANKLES], rest[list(ANKLES)]) | _low(joints[:, TOES], rest[list(TOES)])
    beside = np.zeros_like(touching)
    beside[1:] |= touching[:-1]
    beside[:-1] |= touching[1:]
    return touching | (beside & low)


def lowest(joints: Array) -> Array:
    """How high the lowest sole is above the ground `[t]`; below 0 in the ground."""
    heights = [joints[:, ANKLES, 1] - ANKLE_HEIGHT, joints[:, TOES, 1] - TOE_HEIGHT]
    return np.concatenate(heights, 1).min(1)


def depths(joints: Array, rest: Array = REST) -> Array:
    """How deep the body is in the ground `[t]`: soles of feet, and centers of other joints.

    On its toes or on its knees, an ankle may be as low as a toe joint.
    """
    heights = joints[..., 1].copy()
    heights[:, [*ANKLES, *TOES]] -= rest[TOES, 1].mean()
    return np.maximum(-heights.min(1), 0)


def above_ground(
    motion: Motion, allowed: float = 0.004, window: int = 7, skeleton: Skeleton | None = None
) -> Motion:
    """The motion raised where it is deeper in the ground than `allowed` meters, smoothly."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    rest = REST if skeleton is None else skeleton.rest.double().numpy()
    deep = np.maximum(depths(motion.joints(skeleton).double().numpy(), rest) - allowed, 0)
    lift = uniform_filter1d(maximum_filter1d(deep, window, mode="nearest"), window, mode="nearest")
    up = torch.from_numpy(lift).float()[:, None] * torch.tensor([0.0, 1, 0])
    return replace(motion, root=motion.root + up)


def grounded(motion: Motion, most: float = 0.06) -> Motion:
    """The motion moved up or down by at most `most` meters, so that its soles touch the ground.

    A motion that never comes near the ground, such as flying, stays as it is.
    """
    height = float(np.percentile(lowest(motion.joints().double().numpy()), 2))
    if abs(height) > most:
        return motion
    return replace(motion, root=motion.root - torch.tensor([0.0, height, 0.0]))


def with_travel(motion: Motion, direction: tuple[float, float] = (0.0, 1.0)) -> Motion:
    """A loop in place with the way that it has lost, so that feet on the ground stay.

    While no foot is on the ground, the speed goes over from the last to the next one.

    Args:
        direction: x and z on the ground; by default forward.
    """
    from scipy.ndimage import gaussian_filter1d

    joints = motion.joints().double().numpy()
    way = unit(np.array([direction[0], 0, direction[1]]))
    feet = joints[:, [*TOES, *ANKLES]]
    height = feet[..., 1] - feet[..., 1].min(0)
    back = -np.gradient(feet @ way, 1 / motion.fps, axis=0)
    # The lower foot counts; a foot that goes forward is in the air.
    weight = np.exp(-((height / 0.015) ** 2)) * (back > 0)
    sure = weight.sum(1)
    frames = np.arange(motion.num_frames)
    known = sure > 0.3
    if not known.any():
        return motion
    speed = (weight * back).sum(1) / np.maximum(sure, 1e-9)
    speed = np.interp(frames, frames[known], speed[known], period=max(1, len(frames) - 1))
    speed = gaussian_filter1d(speed, 1.0, mode="wrap")
    steps = (speed[1:] + speed[:-1]) / 2 / motion.fps
    travel = np.concatenate([[0.0], np.cumsum(steps)])[:, None] * way
    return replace(motion, root=motion.root + torch.from_numpy(travel).float())


def in_place(motion: Motion) -> Motion:
    """The motion without its mean velocity over the ground."""
    way = (motion.root[-1] - motion.root[0]) * torch.tensor([1.0, 0, 1])
    part = torch.linspace(0, 1, motion.num_frames)[:, None]
    return replace(motion, root=motion.root - part * way)


def foot_locked(
    motion: Motion,
    blend: int = 4,
    skeleton: Skeleton | None = None,
    touching: Array | None = None,
) -> Motion:
    """The motion with feet that stay where they touch the ground, by two-bone inverse kinematics.

    Args:
        blend: frames over which a foot goes to its place and leaves it.
        skeleton: of the person, by default the canonical one.
        touching: which feet `[t, 2]` are on the ground; by default those that are low and slow.
    """
    skeleton = skeleton or canonical()
    rest = skeleton.rest.double().numpy()
    rotations = motion.rotations.double().numpy().copy()
    root = motion.root.double().numpy()
    posed = skeleton.pose(motion.rotations.double(), motion.root.double())
    world, joints = (values.numpy() for values in posed)
    touching = contacts(joints, motion.fps, rest) if touching is None else touching
    touching = _held(touching, joints, rest)
    for side, name in enumerate(SIDES):
        target = _locked(joints[:, ANKLES[side]], touching[:, side], blend)
        if target is not None:
            chain = tuple(f"{name}_{part}" for part in ("hip", "knee", "ankle"))
            reach(rotations, world, joints, chain, target, rest=rest)
    return replace(
        motion, rotations=torch.from_numpy(rotations).float(), root=torch.from_numpy(root).float()
    )


def _locked(feet: Array, touching: Array, blend: int) -> Array | None:
    """The path of an ankle that rests during contacts; None without contacts of two frames."""
    starts = np.flatnonzero(np.diff(np.concatenate([[0], touching.astype(int), [0]])))
    spans = [(a, b) for a, b in zip(starts[::2], starts[1::2], strict=True) if b - a > 1]
    if not spans:
        return None
    moved, weight = np.zeros_like(feet), np.zeros(len(feet))
    for start, end in spans:
        place = feet[start:end].mean(0)
        first, last = max(0, start - blend), min(len(feet), end + blend)
        at = np.arange(first, last)
        far = np.maximum(np.maximum(start - at, at - end + 1), 0) / (blend + 1)
        own = (1 + np.cos(np.pi * far)) / 2
        wanted = np.where((far == 0)[:, None], place, 0)
        edge = np.where(at < start, start, end - 1)
        shift = np.where((far == 0)[:, None], wanted - feet[at], (place - feet[edge]))
        better = own > weight[at]
        moved[at[better]] = (shift * own[:, None])[better]
        weight[at[better]] = own[better]
    result: Array = feet + moved * [1, 0, 1]
    return result


def reach(
    rotations: Array,
    world: Array,
    joints: Array,
    chain: tuple[str, ...],
    target: Array,
    *,
    rest: Array = REST,
) -> None:
    """Turns two bones so that their end is at a target, in place; the end keeps its direction.

    Args:
        rotations: `[t, 22, 3, 3]`, which are changed.
        world: rotations in the world.
        joints: positions.
        chain: the three joints, e.g. hip, knee and ankle of a side.
        target: `[t, 3]`.
        rest: positions of the joints in the T-pose.
    """
    first, second, third = (NAMES.index(name) for name in chain)
    upper = float(np.linalg.norm(rest[second] - rest[first]))
    lower = float(np.linalg.norm(rest[third] - rest[second]))
    pole = joints[:, second] - (joints[:, first] + joints[:, third]) / 2
    middle, end, _ = bent(target - joints[:, first], pole, upper, lower)
    new_first = between(joints[:, second] - joints[:, first], middle) @ world[:, first]
    old_lower = (joints[:, third] - joints[:, second])[..., None]
    turned = new_first @ np.swapaxes(world[:, first], -1, -2)
    new_second = between((turned @ old_lower)[..., 0], end - middle) @ turned @ world[:, second]
    parent = canonical().parents[first]
    rotations[:, first] = np.swapaxes(world[:, parent], -1, -2) @ new_first
    rotations[:, second] = np.swapaxes(new_first, -1, -2) @ new_second
    rotations[:, third] = np.swapaxes(new_second, -1, -2) @ world[:, third]
