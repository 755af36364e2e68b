"""Motions authored as key poses in YAML: where hands and feet are, and how the trunk bends.

A motion is a mapping of times in seconds to poses; a pose says only what changes. Between keys,
every quantity is interpolated on its own (monotone cubics, which do not overshoot), and arms and
legs are solved by inverse kinematics in each frame, so that a foot that stays is at rest.

Quantities of a pose; angles in degrees, lengths in meters; x is to the left, y up, z forward:

* `hips: [x, height, z]`; `turn`, `lean`, `tilt` of the pelvis: to the left, forward, to the left.
* `twist`, `bend`, `side` of the spine, and `look`, `nod`, `cock` of the head: likewise.
* `l_hand: [out, up, forward]` from the shoulder in arm lengths, in the axes of the chest, or the
  name of a place; `l_elbow`: where the elbow points; `l_wrist: [flex, deviate, twist]`; `shrug`.
* `l_foot: [x, height, z]` of the ankle above its height at rest, in the world; `l_knee`: where the
  knee points; `l_toe`: how far the toes point down (the heel rises
  if they are on the ground); `l_out`: how far they point outward.
* `spin`, `tumble`, `wheel`: turn the whole body about the pelvis, to the left, forward, and to the
  left; `move: [x, y, z]` carries the whole body. Hips and feet are then those before all this.
* `hops` beside `keys`: `[start, end, height]` of the jumps, which are parabolas.

`r_` is the right side, `hands`, `feet`, `toes` ... are both, mirrored. `pose: NAME` is a whole one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.motion.files.rig import FPS, check_length
from guidance.motion.motion import Motion
from guidance.motion.posing import solved

Array = Any
#: Places of a hand: out, up and forward of the shoulder, in arm lengths.
PLACES: dict[str, tuple[float, float, float]] = {
    "hang": (0.1, -0.96, 0.08), "hip": (0.12, -0.62, 0.1), "mouth": (-0.24, 0.08, 0.4),
    "ear": (-0.06, 0.25, 0.2), "forehead": (-0.22, 0.4, 0.36), "chest": (-0.28, -0.3, 0.4),
    "belly": (-0.3, -0.55, 0.4), "forward": (0.0, 0.0, 0.98), "up": (0.08, 0.98, 0.05),
    "side": (0.98, 0.0, 0.05), "back": (0.1, -0.8, -0.5), "guard": (-0.12, -0.02, 0.5),
    "center": (-0.3, -0.2, 0.55), "lap": (-0.05, -0.62, 0.5),
}  # fmt: skip
#: The quantities with their number of components and their values in a standing person.
SINGLE = ("turn", "lean", "tilt", "twist", "bend", "side", "look", "nod", "cock", "shrug",
          "spin", "tumble", "wheel")  # fmt: skip
LIMB: dict[str, tuple[float, ...]] = {
    "hand": PLACES["hang"], "elbow": (0.0, 0.0, 0.0), "wrist": (0.0, 0.0, 0.0),
    "foot": (0.1, 0.0, 0.0), "knee": (0.12, 0.0, 1.0), "toe": (0.0,), "out": (8.0,),
}  # fmt: skip
BOTH = {"hands": "hand", "elbows": "elbow", "wrists": "wrist", "feet": "foot", "knees": "knee",
        "toes": "toe", "outs": "out"}  # fmt: skip
HIPS, POINTS = (0.0, 0.915, 0.0), ("hips", "move")
#: What changes its sign when left and right are exchanged.
UP = np.array([0.0, 1, 0])
SIGNED = ("turn", "tilt", "twist", "side", "look", "cock", "spin", "wheel")
Pose = dict[str, Array]


def standing() -> Pose:
    """All quantities of a person who stands with hanging arms."""
    pose: Pose = {name: np.zeros(1) for name in SINGLE} | {
        "hips": np.array(HIPS), "move": np.zeros(3),
    }  # fmt: skip
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for name, value in LIMB.items():
            pose[f"{side}_{name}"] = np.array(value)
        pose[f"{side}_foot"] = np.array([sign * LIMB["foot"][0], 0.0, 0.0])
    return pose


def parsed(changes: Any, poses: Mapping[str, Any], where: str) -> Pose:
    """The quantities that a key sets. Raises InputError for what it does not know."""
    if isinstance(changes, str):
        changes = {"pose": changes}
    if not isinstance(changes, dict):
        raise InputError(f"{where}: expected a pose, got {changes!r:.60}")
    found: Pose = {}
    for name, value in changes.items():
        if name == "pose":
            if value != "stand" and value not in poses:
                raise InputError(f"{where}: no pose {value!r:.40}; there are {', '.join(poses)}")
            found |= standing() | (parsed(poses[value], poses, where) if value in poses else {})
        elif name in BOTH:
            part = BOTH[name]
            right = _value(part, value, where)
            found[f"l_{part}"] = right
            found[f"r_{part}"] = right * ([-1, 1, 1] if part == "foot" else 1)
        elif name in SINGLE or name in POINTS or (name[2:] in LIMB and name[:2] in ("l_", "r_")):
            found[name] = _value(name if name in (*SINGLE, *POINTS) else name[2:], value, where)
        else:
            raise InputError(f"{where}: no quantity {name!r:.40}")
    return found


def _value(name: str, value: Any, where: str) -> Array:
    if isinstance(value, str):
        if name != "hand" or value not in PLACES:
            raise InputError(f"{where}: no place {value!r:.40}; there are {', '.join(PLACES)}")
        value = PLACES[value]
    length = 3 if name in POINTS else 1 if name in SINGLE else len(LIMB[name])
    try:
        found = np.array(value, np.float64).reshape(-1)
    except (ValueError, TypeError):
        found = np.zeros(0)
    if found.shape != (length,) or not np.isfinite(found).all() or np.abs(found).max() > 1e4:
        raise InputError(f"{where}: {name} expects {length} numbers, got {value!r:.60}")
    return found


def mirrored(pose: Pose) -> Pose:
    """The quantities of the mirrored pose."""
    found: Pose = {}
    for name, value in pose.items():
        other = {"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]
        sign: Any = -1.0 if name in SIGNED else 1.0
        if name in POINTS or name.endswith("_foot"):
            sign = np.array([-1.0, 1, 1])
        found[other] = value * sign
    return found


def author(entry: Mapping[str, Any], poses: Mapping[str, Any], where: str) -> Motion:
    """The motion of an entry with `keys`, and optionally `loop`, `half` and `travel`.

    Args:
        entry: with `half: SECONDS`, the keys are the first half of a gait, whose second half is its
            mirror image; `travel: [x, z]` is how far a loop moves.
        poses: named poses.

    Raises:
        InputError: a time or a quantity is wrong.
    """
    try:
        keys = sorted((float(time), changes) for time, changes in entry["keys"].items())
        travel = np.array(
            [entry.get("travel", [0, 0])[0], 0, entry.get("travel", [0, 0])[1]], float
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise InputError(f"{where}: expected `keys`, a mapping of times to poses") from None
    tracks: dict[str, list[tuple[float, Array]]] = {
        name: [] if entry.get("half") else [(0.0, value)] for name, value in standing().items()
    }
    end = keys[-1][0] if keys else 0.0
    check_length(end * FPS + 1, where)
    for time, changes in keys:
        for name, value in parsed(changes, poses, f"{where} at {time:g} s").items():
            tracks[name] = [key for key in tracks[name] if key[0] != time] + [(time, value)]
    if entry.get("half"):
        tracks, end = _second_half(tracks, float(entry["half"]), travel)
    loop = bool(entry.get("loop")) and end > 0
    times = np.arange(round(end * FPS) + 1) / FPS
    quantities = {
        name: _interpolated(name, track, times, end if loop else 0.0, travel)
        for name, track in tracks.items()
    }
    for hop in entry.get("hops", ()):
        start, stop, height = (float(value) for value in hop)
        part = np.clip((times - start) / (stop - start), 0, 1)
        quantities["move"] = quantities["move"] + (4 * height * part * (1 - part))[:, None] * UP
    return solved(quantities)


def _second_half(
    tracks: dict[str, list[tuple[float, Array]]], half: float, travel: Array
) -> tuple[dict[str, list[tuple[float, Array]]], float]:
    """Adds the mirror image of the first half, half a way further."""
    full = {name: list(track) for name, track in tracks.items()}
    plain = standing()
    for name, track in tracks.items():
        for time, value in track:
            other, moved = next(iter(mirrored({name: value}).items()))
            if name == "hips" or name.endswith("_foot"):
                moved = moved + travel / 2
            full[other] = [k for k in full[other] if abs(k[0] - time - half) > 1e-6]
            full[other].append((time + half, moved))
    for name, track in full.items():
        if not track:
            track.append((0.0, plain[name]))
    return full, 2 * half


def _interpolated(
    name: str, track: list[tuple[float, Array]], times: Array, period: float, travel: Array
) -> Array:
    """A quantity `[t, c]` in time; in a loop, its cycle before and its cycle after go on."""
    from scipy.interpolate import PchipInterpolator

    track = sorted(track, key=lambda key: key[0])
    if period:
        way = travel if name == "hips" or name.endswith("_foot") else 0.0
        if name in ("spin", "tumble", "wheel"):
            turns = np.round((track[-1][1] - track[0][1]) / 360) * 360
            way = turns if abs(track[-1][0] - period) < 1e-6 else 0.0
        own = [key for key in track if key[0] < period - 1e-6]
        track = [
            (time + cycle * period, value + cycle * way) for cycle in (-1, 0, 1, 2)
            for time, value in own
        ]  # fmt: skip
    at = np.array([time for time, _ in track])
    values = np.stack([value for _, value in track])
    if len(at) == 1:
        return np.repeat(values, len(times), 0)
    return PchipInterpolator(at, values)(np.clip(times, at[0], at[-1]))
