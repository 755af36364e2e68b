"""Contacts of the feet, and what they allow: the level of the ground, travel, and foot lock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from guidance.body.skeleton import NAMES, canonical
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


def contacts(joints: Array, fps: float | int) -> Array:
    """Which feet are on the ground `[t, 2]`: ankle or toe joint is low and slow."""
    joints = np.asarray(joints, np.float64)
    found = np.zeros((len(joints), 2), bool)
    for points, rest in ((ANKLES, ANKLE_HEIGHT), (TOES, TOE_HEIGHT)):
        feet = joints[:, points]
        low = feet[..., 1] - rest < CONTACT_HEIGHT
        found |= low & (speeds(feet, fps) < CONTACT_SPEED)
    return found


def lowest(joints: Array) -> Array:
    """How high the lowest sole is above the ground `[t]`; below 0 in the ground."""
    heights = [joints[:, ANKLES, 1] - ANKLE_HEIGHT, joints[:, TOES, 1] - TOE_HEIGHT]
    return np.concatenate(heights, 1).min(1)


def depths(joints: Array) -> Array:
    """How deep the body is in the ground `[t]`: soles of feet, and centers of other joints.

    On its toes or on its knees, an ankle may be as low as a toe joint.
    """
    heights = joints[..., 1].copy()
    heights[:, [*ANKLES, *TOES]] -= TOE_HEIGHT
    return np.maximum(-heights.min(1), 0)


def above_ground(motion: Motion, allowed: float = 0.004, window: int = 7) -> Motion:
    """The motion raised where it is deeper in the ground than `allowed` meters, smoothly."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    deep = np.maximum(depths(motion.joints().double().numpy()) - allowed, 0)
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


def foot_locked(motion: Motion, blend: int = 4) -> Motion:
    """The motion with feet that stay where they touch the ground, by two-bone inverse kinematics.

    Args:
        blend: frames over which a foot goes to its place and leaves it.
    """
    rotations = motion.rotations.double().numpy().copy()
    root = motion.root.double().numpy()
    posed = canonical().pose(motion.rotations.double(), motion.root.double())
    world, joints = (values.numpy() for values in posed)
    touching = contacts(joints, motion.fps)
    for side, name in enumerate(SIDES):
        target = _locked(joints[:, ANKLES[side]], touching[:, side], blend)
        if target is not None:
            _reach(rotations, world, joints, name, target)
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


def _reach(rotations: Array, world: Array, joints: Array, name: str, target: Array) -> None:
    """Turns hip and knee so that the ankle is at the target; the foot keeps its direction."""
    hip, knee, ankle = (NAMES.index(f"{name}_{part}") for part in ("hip", "knee", "ankle"))
    upper = float(np.linalg.norm(REST[knee] - REST[hip]))
    lower = float(np.linalg.norm(REST[ankle] - REST[knee]))
    pole = joints[:, knee] - (joints[:, hip] + joints[:, ankle]) / 2
    middle, end, _ = bent(target - joints[:, hip], pole, upper, lower)
    new_hip = between(joints[:, knee] - joints[:, hip], middle) @ world[:, hip]
    old_lower = (joints[:, ankle] - joints[:, knee])[..., None]
    turned = new_hip @ np.swapaxes(world[:, hip], -1, -2)
    new_knee = between((turned @ old_lower)[..., 0], end - middle) @ turned @ world[:, knee]
    parent = NAMES.index("pelvis")
    rotations[:, hip] = np.swapaxes(world[:, parent], -1, -2) @ new_hip
    rotations[:, knee] = np.swapaxes(new_hip, -1, -2) @ new_knee
    rotations[:, ankle] = np.swapaxes(new_knee, -1, -2) @ world[:, ankle]
