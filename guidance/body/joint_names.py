"""The names and places of the canonical joints; nothing heavy is imported, for options and help."""

from __future__ import annotations

#: Joint, parent, and offset from the parent in meters, for an adult of 1.7 m.
#: Source: segment lengths as fractions of the height, D. A. Winter, Biomechanics and Motor Control
#: of Human Movement, 4th edition (2009), figure 4.1; the spine is divided as in SMPL.
JOINTS: tuple[tuple[str, str | None, tuple[float, float, float]], ...] = (
    ("pelvis", None, (0.0, 0.93, 0.0)),
    ("left_hip", "pelvis", (0.085, -0.065, 0.0)),
    ("right_hip", "pelvis", (-0.085, -0.065, 0.0)),
    ("spine1", "pelvis", (0.0, 0.1, 0.0)),
    ("left_knee", "left_hip", (0.015, -0.4, 0.0)),
    ("right_knee", "right_hip", (-0.015, -0.4, 0.0)),
    ("spine2", "spine1", (0.0, 0.13, 0.0)),
    ("left_ankle", "left_knee", (0.0, -0.4, -0.02)),
    ("right_ankle", "right_knee", (0.0, -0.4, -0.02)),
    ("spine3", "spine2", (0.0, 0.08, 0.0)),
    ("left_foot", "left_ankle", (0.02, -0.05, 0.13)),
    ("right_foot", "right_ankle", (-0.02, -0.05, 0.13)),
    ("neck", "spine3", (0.0, 0.2, -0.01)),
    ("left_collar", "spine3", (0.06, 0.12, 0.0)),
    ("right_collar", "spine3", (-0.06, 0.12, 0.0)),
    ("head", "neck", (0.0, 0.1, 0.03)),
    ("left_shoulder", "left_collar", (0.12, 0.02, 0.0)),
    ("right_shoulder", "right_collar", (-0.12, 0.02, 0.0)),
    ("left_elbow", "left_shoulder", (0.29, 0.0, 0.0)),
    ("right_elbow", "right_shoulder", (-0.29, 0.0, 0.0)),
    ("left_wrist", "left_elbow", (0.25, 0.0, 0.0)),
    ("right_wrist", "right_elbow", (-0.25, 0.0, 0.0)),
)
NAMES = tuple(name for name, _, _ in JOINTS)

#: The joints on the other side, for mirroring.
MIRRORED = tuple(
    NAMES.index(
        name.replace("left_", "right_")
        if name.startswith("left_")
        else name.replace("right_", "left_")
    )
    for name in NAMES
)
