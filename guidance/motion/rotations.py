"""Rotations over time: interpolation and inverse kinematics, in float64 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

Array = Any
TINY = 1e-9
MOST_BENT = 150.0  # degrees of an elbow or a knee; beyond, the end stays short of its target


def quaternions(matrices: Array) -> Array:
    """Unit quaternions `[..., 4]` (x, y, z, w) of rotation matrices `[..., 3, 3]`."""
    shape = matrices.shape[:-2]
    return Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat().reshape(*shape, 4)


def from_quaternions(values: Array) -> Array:
    """Rotation matrices of quaternions (x, y, z, w) of any length above 0."""
    shape = values.shape[:-1]
    return Rotation.from_quat(values.reshape(-1, 4)).as_matrix().reshape(*shape, 3, 3)


def rotation_vectors(matrices: Array) -> Array:
    """Axis times angle in radians `[..., 3]`."""
    shape = matrices.shape[:-2]
    return Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec().reshape(*shape, 3)


def from_rotation_vectors(values: Array) -> Array:
    """Rotation matrices of axis times angle in radians."""
    shape = values.shape[:-1]
    return Rotation.from_rotvec(values.reshape(-1, 3)).as_matrix().reshape(*shape, 3, 3)


def from_euler(order: str, degrees: Array) -> Array:
    """Matrices of intrinsic rotations, e.g. order "ZXY" of a BVH; `degrees` is `[..., n]`."""
    if not order:
        return np.broadcast_to(np.eye(3), (*degrees.shape[:-1], 3, 3))
    shape, count = degrees.shape[:-1], len(order)
    flat = degrees.reshape(-1, count)
    return Rotation.from_euler(order, flat, degrees=True).as_matrix().reshape(*shape, 3, 3)


def continuous(values: Array) -> Array:
    """Quaternions `[t, ..., 4]` with signs such that neighbors in time are close."""
    dots = (values[1:] * values[:-1]).sum(-1, keepdims=True)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    return np.concatenate([values[:1], values[1:] * signs])


def slerp(first: Array, second: Array, part: Array) -> Array:
    """The rotation at `part` (0 to 1) of the shortest way between matrices; broadcasts."""
    first, second = np.broadcast_arrays(first, second)
    way = rotation_vectors(np.swapaxes(first, -1, -2) @ second)
    return first @ from_rotation_vectors(way * np.asarray(part)[..., None])


def resampled(matrices: Array, times: Array, at: Array) -> Array:
    """Rotations `[t, ...]` with increasing `times` at other times, by slerp; held outside."""
    if len(times) == 1:
        return np.repeat(matrices, len(at), 0)
    left = np.clip(np.searchsorted(times, at, "right") - 1, 0, len(times) - 2)
    gap = np.maximum(times[left + 1] - times[left], TINY)
    part = np.clip((at - times[left]) / gap, 0, 1)
    return slerp(matrices[left], matrices[left + 1], part.reshape(-1, *[1] * (matrices.ndim - 3)))


def resampled_points(points: Array, times: Array, at: Array) -> Array:
    """Vectors `[t, c]` at other times, linearly; held outside."""
    columns = [np.interp(at, times, column) for column in points.reshape(len(points), -1).T]
    return np.stack(columns, -1).reshape(len(at), *points.shape[1:])


def unit(vectors: Array) -> Array:
    """Vectors of length 1; 0 stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)


def between(first: Array, second: Array) -> Array:
    """The smallest rotation from directions `[..., 3]` to others, as matrices."""
    a, b = np.broadcast_arrays(unit(first), unit(second))
    axis = np.cross(a, b)
    cosine = (a * b).sum(-1, keepdims=True)
    # Opposite directions: half a turn about any axis at a right angle.
    spare = unit(np.cross(a, np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])))
    opposite = cosine < -1 + 1e-9
    quaternion = np.concatenate(
        [np.where(opposite, spare, axis), np.where(opposite, 0.0, 1 + cosine)], -1
    )
    return from_quaternions(quaternion)


def frames(direction: Array, pole: Array) -> Array:
    """Matrices whose second column is `direction` and whose third leans to `pole`."""
    y = unit(direction)
    x = unit(np.cross(y, pole))
    return np.stack([x, y, np.cross(x, y)], -1)


def bent(target: Array, pole: Array, upper: float, lower: float) -> tuple[Array, Array, Array]:
    """Two-bone inverse kinematics: where the joint between two bones is.

    Args:
        target: `[t, 3]` from the upper joint to where the end should be.
        pole: `[t, 3]` the side to which the middle joint points.

    Returns:
        The middle joint, the end (the target, or the nearest point in reach), and the direction
        at a right angle to the target in which the middle joint lies.
    """
    distance = np.linalg.norm(target, axis=-1, keepdims=True)
    cosine = np.cos(np.radians(MOST_BENT))
    least = np.sqrt(upper**2 + lower**2 + 2 * upper * lower * cosine)
    reach = np.clip(distance, least, (upper + lower) * 0.9995)
    along = target / np.maximum(distance, TINY)
    side = unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    cosine = (upper**2 + reach**2 - lower**2) / (2 * upper * reach)
    sine = np.sqrt(np.clip(1 - cosine**2, 0, 1))
    return upper * (cosine * along + sine * side), reach * along, side
