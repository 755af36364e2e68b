"""Poses in JSON: angles of joints in degrees about x, y and z, from the T-pose."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.generators.motion.param.rotations import exponential
from guidance.losses.motion.targets import PoseTarget
from guidance.tasks.motion.constraints import JOINTS

MAX_BYTES = 64 * 2**10


def read_pose(path: Path, frame: int) -> PoseTarget:
    """The pose in a file such as {"right_shoulder": [0, 0, 80], "right_elbow": [0, 90, 0]}.

    Each joint has a rotation vector in degrees, relative to its parent; 0 is the T-pose. Joints
    that are not there are free.

    Raises:
        InputError: the file is missing, too large, or not of this form.
    """
    refuse_special_file(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: is larger than {MAX_BYTES // 2**10} KiB")
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {error!s:.100}") from None
    if not isinstance(content, dict) or not content:
        raise InputError(f'{path}: expected joints with angles, e.g. {{"left_knee": [60, 0, 0]}}')
    rotations = torch.eye(3).expand(22, 3, 3).clone()
    joints = []
    for name, angles in content.items():
        if name not in JOINTS or name in ("pelvis", "hips"):
            raise InputError(f"{path}: no joint {name!r:.30}; choose from {', '.join(JOINTS)}")
        if not _is_vector(angles):
            raise InputError(
                f"{path}: {name}: expected three angles in degrees, got {angles!r:.40}"
            )
        joints.append(JOINTS[name])
        rotations[JOINTS[name]] = exponential(torch.deg2rad(torch.tensor(angles).float()))
    return PoseTarget(rotations, tuple(joints), frame)


def _is_vector(angles: Any) -> bool:
    return (
        isinstance(angles, list)
        and len(angles) == 3
        and all(isinstance(a, int | float) and not isinstance(a, bool) for a in angles)
        and all(math.isfinite(a) and abs(a) <= 360 for a in angles)
    )
