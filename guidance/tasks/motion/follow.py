"""A motion bent along a path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.losses.motion.targets import Polyline
from guidance.motion.motion import Motion
from guidance.motion.rotations import from_euler

Array = Any
#: Seconds over which the sway of the pelvis is smoothed out, and meters of the path's direction.
SMOOTH, AHEAD = 0.4, 0.25
#: Least travel of a motion that follows a path, in meters.
LEAST = 0.3


def travel(motion: Motion) -> float:
    """How far a motion goes over the ground, without sway, in meters."""
    return float(_distance(_smooth(motion))[-1])


def follow(motion: Motion, path: Polyline) -> Motion:
    """The motion with its pelvis exactly above the path, from its start to its end.

    The person goes as fast as in the motion, in proportion, and is turned as the path turns.

    Raises:
        InputError: the motion stays in place.
    """
    smooth = _smooth(motion)
    distance = _distance(smooth)
    if distance[-1] < LEAST:
        raise InputError(
            f"path: {motion.name!r:.60} goes {distance[-1]:.2f} m; a motion that follows a path goes "
            f"at least {LEAST} m"
        )
    points = path.points.double().numpy()
    lengths = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = distance / distance[-1] * lengths[-1]

    def place(where: Array) -> Array:
        return np.stack([np.interp(where, lengths, column) for column in points.T], -1)

    before, after = np.maximum(at - AHEAD, 0), np.minimum(at + AHEAD, lengths[-1])
    wanted = _angles(place(after) - place(before))
    moving = np.gradient(smooth, axis=0)
    slow = np.linalg.norm(moving, axis=1) * motion.fps < 0.15
    own = _held(_angles(moving), slow)
    turn = from_euler("Y", np.degrees(wanted - own)[:, None])
    rotations = motion.rotations.double().numpy().copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    root = motion.root.double().numpy().copy()
    root[:, [0, 2]] = place(at)
    return replace(
        motion, rotations=torch.from_numpy(rotations).float(), root=torch.from_numpy(root).float()
    )


def _smooth(motion: Motion) -> Array:
    """x and z of the pelvis without its sway."""
    from scipy.ndimage import gaussian_filter1d

    ground = motion.root.double().numpy()[:, [0, 2]]
    return gaussian_filter1d(ground, SMOOTH * motion.fps, axis=0, mode="nearest")


def _distance(places: Array) -> Array:
    return np.r_[0, np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))]


def _angles(ways: Array) -> Array:
    """Headings of vectors on the ground in radians, 0 for +z, continuous."""
    return np.unwrap(np.arctan2(ways[:, 0], ways[:, 1]))


def _held(angles: Array, slow: Array) -> Array:
    """Angles where a person moves; elsewhere interpolated, or held."""
    known = np.flatnonzero(~slow)
    if len(known) == 0:
        return angles
    return np.interp(np.arange(len(angles)), known, np.unwrap(angles[known]))
