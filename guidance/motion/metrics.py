"""Measures of the quality of a motion, from positions of the canonical joints `[t, 22, 3]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from guidance.body.limits import limit_violations
from guidance.body.skeleton import Skeleton
from guidance.motion.cleaning import ANKLES as ANKLE_JOINTS
from guidance.motion.cleaning import REST, TOES, contacts, depths, speeds
from guidance.motion.motion import Motion

Array = Any


@dataclass(frozen=True)
class Quality:
    """Measures of one motion."""

    skate_cm_s: float
    penetration_p99_cm: float
    limit_violations: int  # frames with a joint beyond the limits of `guidance.body.limits`
    jitter: float


def _array(joints: Any) -> Array:
    values = joints.detach().cpu().double().numpy() if hasattr(joints, "detach") else joints
    return np.asarray(values, np.float64)


def skate_cm_s(joints: Any, fps: float | int = 30.0, rest: Array = REST) -> float:
    """Mean horizontal speed of feet on the ground, in cm/s; 0 without contacts.

    A foot is on the ground if its ankle or its toe joint is less than 5 cm above its height at rest
    and slower than 0.2 m/s; the slower one of both counts, as a foot rolls.
    """
    joints = _array(joints)
    touching = contacts(joints, fps, rest)
    slowest = np.minimum(speeds(joints[:, ANKLE_JOINTS], fps), speeds(joints[:, TOES], fps))
    return float(100 * slowest[touching].mean()) if touching.any() else 0.0


def penetration_p99_cm(joints: Any, rest: Array = REST) -> float:
    """The 99th percentile over time of how deep the body is in the ground, in cm.

    Of feet, the soles count; of all other joints, their centers.
    """
    joints = _array(joints)
    return float(100 * np.percentile(depths(joints, rest), 99))


def jitter(joints: Any, fps: float | int = 30.0) -> float:
    """Mean jerk of the joints: the third derivative of their positions, in 100 m/s^3."""
    joints = _array(joints)
    if len(joints) < 4:
        return 0.0
    jerk = np.diff(joints, 3, axis=0) * fps**3
    return float(np.linalg.norm(jerk, axis=-1).mean() / 100)


def quality(motion: Motion, skeleton: Skeleton | None = None) -> Quality:
    """All measures of a motion on a skeleton, by default the canonical one."""
    joints = motion.joints(skeleton)
    rest = REST if skeleton is None else _array(skeleton.rest)
    return Quality(
        skate_cm_s(joints, motion.fps, rest),
        penetration_p99_cm(joints, rest),
        int(limit_violations(motion.rotations).any(-1).sum()),
        jitter(joints, motion.fps),
    )
