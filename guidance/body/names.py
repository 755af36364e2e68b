"""The canonical joints in the rigs of other programs, by the names of their bones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from guidance.body.joint_names import NAMES


@dataclass(frozen=True)
class Convention:
    """The names of one kind of rig for the canonical joints that it has.

    Names are compared without case, separators and prefixes such as "mixamorig:".
    """

    title: str
    bones: dict[str, str]  # canonical joint: bone


def _sided(pairs: dict[str, str], left: str, right: str) -> dict[str, str]:
    """Both sides of bones whose pattern has {} for the side."""
    found = {}
    for joint, pattern in pairs.items():
        found[f"left_{joint}"] = pattern.format(left)
        found[f"right_{joint}"] = pattern.format(right)
    return found


CONVENTIONS = (
    Convention("SMPL", {name: name for name in NAMES}),
    Convention(
        "Mixamo",
        {
            "pelvis": "Hips",
            "spine1": "Spine",
            "spine2": "Spine1",
            "spine3": "Spine2",
            "neck": "Neck",
            "head": "Head",
        }
        | _sided(
            {
                "hip": "{}UpLeg",
                "knee": "{}Leg",
                "ankle": "{}Foot",
                "foot": "{}ToeBase",
                "collar": "{}Shoulder",
                "shoulder": "{}Arm",
                "elbow": "{}ForeArm",
                "wrist": "{}Hand",
            },
            "Left",
            "Right",
        ),
    ),
    Convention(
        "CMU",
        {
            "pelvis": "Hips",
            "spine1": "LowerBack",
            "spine2": "Spine",
            "spine3": "Spine1",
            "neck": "Neck1",
            "head": "Head",
        }
        | _sided(
            {
                "hip": "{}UpLeg",
                "knee": "{}Leg",
                "ankle": "{}Foot",
                "foot": "{}ToeBase",
                "collar": "{}Shoulder",
                "shoulder": "{}Arm",
                "elbow": "{}ForeArm",
                "wrist": "{}Hand",
            },
            "Left",
            "Right",
        ),
    ),
    Convention(
        "SOMA",
        {
            "pelvis": "Hips",
            "spine1": "Spine1",
            "spine2": "Spine2",
            "spine3": "Chest",
            "neck": "Neck1",
            "head": "Head",
        }
        | _sided(
            {
                "hip": "{}Leg",
                "knee": "{}Shin",
                "ankle": "{}Foot",
                "foot": "{}ToeBase",
                "collar": "{}Shoulder",
                "shoulder": "{}Arm",
                "elbow": "{}ForeArm",
                "wrist": "{}Hand",
            },
            "Left",
            "Right",
        ),
    ),
    Convention(
        "VRM",
        {
            "pelvis": "hips",
            "spine1": "spine",
            "spine2": "chest",
            "spine3": "upperChest",
            "neck": "neck",
            "head": "head",
        }
        | _sided(
            {
                "hip": "{}UpperLeg",
                "knee": "{}LowerLeg",
                "ankle": "{}Foot",
                "foot": "{}Toes",
                "collar": "{}Shoulder",
                "shoulder": "{}UpperArm",
                "elbow": "{}LowerArm",
                "wrist": "{}Hand",
            },
            "left",
            "right",
        ),
    ),
    Convention(
        "Rigify",
        {
            "pelvis": "spine",
            "spine1": "spine.001",
            "spine2": "spine.002",
            "spine3": "spine.003",
            "neck": "spine.004",
            "head": "spine.006",
        }
        | _sided(
            {
                "hip": "thigh.{}",
                "knee": "shin.{}",
                "ankle": "foot.{}",
                "foot": "toe.{}",
                "collar": "shoulder.{}",
                "shoulder": "upper_arm.{}",
                "elbow": "forearm.{}",
                "wrist": "hand.{}",
            },
            "L",
            "R",
        ),
    ),
    Convention(
        "Blender",
        {
            "pelvis": "hips",
            "spine1": "spine.001",
            "spine2": "spine.002",
            "spine3": "spine.003",
            "neck": "neck",
            "head": "head",
        }
        | _sided(
            {
                "hip": "thigh.{}",
                "knee": "shin.{}",
                "ankle": "foot.{}",
                "foot": "toe.{}",
                "collar": "shoulder.{}",
                "shoulder": "upper_arm.{}",
                "elbow": "forearm.{}",
                "wrist": "hand.{}",
            },
            "L",
            "R",
        ),
    ),
    Convention(
        "Unreal",
        {
            "pelvis": "pelvis",
            "spine1": "spine_01",
            "spine2": "spine_02",
            "spine3": "spine_03",
            "neck": "neck_01",
            "head": "head",
        }
        | _sided(
            {
                "hip": "thigh_{}",
                "knee": "calf_{}",
                "ankle": "foot_{}",
                "foot": "ball_{}",
                "collar": "clavicle_{}",
                "shoulder": "upperarm_{}",
                "elbow": "lowerarm_{}",
                "wrist": "hand_{}",
            },
            "l",
            "r",
        ),
    ),
    Convention(
        "Quaternius",
        {
            "pelvis": "Hips",
            "spine1": "Abdomen",
            "spine3": "Torso",
            "neck": "Neck",
            "head": "Head",
        }
        | _sided(
            {
                "hip": "UpperLeg.{}",
                "knee": "LowerLeg.{}",
                "ankle": "Foot.{}",
                "collar": "Shoulder.{}",
                "shoulder": "UpperArm.{}",
                "elbow": "LowerArm.{}",
                "wrist": "Palm.{}",
            },
            "L",
            "R",
        ),
    ),
)
#: Without these, a body cannot be posed.
REQUIRED = (
    "pelvis",
    "head",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle")),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist")),
)
#: What exporters put before the names of bones.
_PREFIX = re.compile(
    r"^(?:mixamorig\d*|def|org|bip0*1|j_bip_[clr]|armature)[:|_. -]+", re.IGNORECASE
)


@dataclass(frozen=True)
class Found:
    """Which bone is which canonical joint; -1 for joints that the rig does not have."""

    convention: str
    canonical: tuple[int, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The required joints that were not found."""
        return tuple(name for name in REQUIRED if self.canonical[NAMES.index(name)] < 0)


def plain(name: str) -> str:
    """A bone's name in lower case, without prefix and separators."""
    return re.sub(r"[^a-z0-9]", "", _PREFIX.sub("", name.strip()).lower())


def find_canonical(names: Sequence[str]) -> Found:
    """The convention with the most of its bones in a rig, and which joint each of them is.

    Of bones with equal plain names, the first is used. Conventions are tried in the order of
    `CONVENTIONS`; more required joints count more than more joints.
    """
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        places.setdefault(plain(name), index)
    best, best_score = Found(CONVENTIONS[0].title, (-1,) * len(NAMES)), (-len(NAMES), 0)
    for convention in CONVENTIONS:
        bones = {joint: places.get(plain(bone), -1) for joint, bone in convention.bones.items()}
        found = Found(convention.title, tuple(bones.get(name, -1) for name in NAMES))
        score = (-len(found.missing), sum(index >= 0 for index in found.canonical))
        if score > best_score:
            best, best_score = found, score
    return best
