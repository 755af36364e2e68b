"""Measures of the quality of a motion, from positions of the canonical joints `[t, 22, 3]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from guidance.body.skeleton import NAMES
from guidance.motion.cleaning import SIDES, TOES, contacts, depths, speeds
from guidance.motion.cleaning import ANKLES as ANKLE_JOINTS
from guidance.motion.motion import Motion
from guidance.motion.rotations import unit

Array = Any
#: Largest angles in degrees that healthy adults reach.
#: Source: American Academy of Orthopaedic Surgeons, Joint Motion (1965): knee 135, elbow 150; here
#: with more for the load of deep kneeling. Trunk and neck are sums over their joints.
MOST = {"knee": 160.0, "elbow": 155.0, "spine": 130.0, "neck": 100.0}
#: How far in degrees a knee may bend the other way.
HYPEREXTENSION = 11.0


@dataclass(frozen=True)
class Quality:
    """Measures of one motion."""

    skate_cm_s: float
    penetration_p99_cm: float
    limit_violations: int
    jitter: float


def _array(joints: Any) -> Array:
    values = joints.detach().cpu().double().numpy() if hasattr(joints, "detach") else joints
    return np.asarray(values, np.float64)


def skate_cm_s(joints: Any, fps: float = 30.0) -> float:
    """Mean horizontal speed of feet on the ground, in cm/s; 0 without contacts.

    A foot is on the ground if its ankle or its toe joint is less than 5 cm above its height at rest
    and slower than 0.2 m/s; the slower one of both counts, as a foot rolls.
    """
    joints = _array(joints)
    touching = contacts(joints, fps)
    slowest = np.minimum(speeds(joints[:, ANKLE_JOINTS], fps), speeds(joints[:, TOES], fps))
    return float(100 * slowest[touching].mean()) if touching.any() else 0.0


def penetration_p99_cm(joints: Any) -> float:
    """The 99th percentile over time of how deep the body is in the ground, in cm.

    Of feet, the soles count; of all other joints, their centers.
    """
    joints = _array(joints)
    return float(100 * np.percentile(depths(joints), 99))


def limit_violations(joints: Any) -> int:
    """In how many frames a knee, an elbow, the spine or the neck bends too far, or a knee wrongly.

    Positions do not show twists; see `guidance.body` for limits of rotations.
    """
    joints = _array(joints)
    at = {name: joints[:, number] for number, name in enumerate(NAMES)}
    wrong = np.zeros(len(joints), bool)
    for side in SIDES:
        for start, middle, end in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
            a, b, c = (at[f"{side}_{part}"] for part in (start, middle, end))
            wrong |= _angle(b - a, c - b) > MOST[middle]
        hip, knee, ankle, toe = (at[f"{side}_{p}"] for p in ("hip", "knee", "ankle", "foot"))
        # The knee lies in front of the line from hip to ankle, where the toes are.
        forward = unit(toe - ankle)
        line = unit(ankle - hip)
        ahead = unit(forward - (forward * line).sum(-1, keepdims=True) * line)
        behind = ((knee - hip) * ahead).sum(-1) < 0
        # Feet that point along the leg or to its side say nothing about the front.
        clear = np.abs((forward * line).sum(-1)) < 0.5
        bend = _angle(knee - hip, ankle - knee)
        sideways = np.abs((unit(knee - (hip + ankle) / 2) * ahead).sum(-1)) < 0.7
        wrong |= behind & clear & ~sideways & (bend > HYPEREXTENSION)
    wrong |= _angle(at["spine1"] - at["pelvis"], at["neck"] - at["spine3"]) > MOST["spine"]
    wrong |= _angle(at["neck"] - at["spine3"], at["head"] - at["neck"]) > MOST["neck"]
    return int(wrong.sum())


def _angle(first: Array, second: Array) -> Array:
    """Degrees between vectors `[t, 3]`."""
    cosine = (unit(first) * unit(second)).sum(-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def jitter(joints: Any, fps: float = 30.0) -> float:
    """Mean jerk of the joints: the third derivative of their positions, in 100 m/s^3."""
    joints = _array(joints)
    if len(joints) < 4:
        return 0.0
    jerk = np.diff(joints, 3, axis=0) * fps**3
    return float(np.linalg.norm(jerk, axis=-1).mean() / 100)


def quality(motion: Motion) -> Quality:
    """All measures of a motion on the canonical skeleton."""
    joints = motion.joints()
    return Quality(
        skate_cm_s(joints, motion.fps),
        penetration_p99_cm(joints),
        limit_violations(joints),
        jitter(joints, motion.fps),
    )
