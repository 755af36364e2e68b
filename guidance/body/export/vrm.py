"""Avatars (VRM 1.0) and their animations (VRMA).

Source: VRM Consortium, VRMC_vrm-1.0 and VRMC_vrm_animation-1.0 (vrm-c/vrm-specification, MIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.export.glb import Appearance, add_animation, add_body, add_nodes
from guidance.body.export.nodes import Nodes, nodes_of, tracks_of
from guidance.body.joint_names import NAMES
from guidance.body.names import plain
from guidance.errors import InputError
from guidance.geometry.io.glb_write import GlbFile
from guidance.motion.motion import Motion

Json = dict[str, Any]
LICENSE = "https://vrm.dev/licenses/1.0/"
#: Bones of VRM for the canonical joints without side.
_CENTER = {
    "pelvis": "hips",
    "spine1": "spine",
    "spine2": "chest",
    "spine3": "upperChest",
    "neck": "neck",
    "head": "head",
}
_SIDED = {
    "hip": "UpperLeg",
    "knee": "LowerLeg",
    "ankle": "Foot",
    "foot": "Toes",
    "collar": "Shoulder",
    "shoulder": "UpperArm",
    "elbow": "LowerArm",
    "wrist": "Hand",
}
_FINGERS = {"index": "Index", "middle": "Middle", "ring": "Ring", "little": "Little"}
_PARTS = ("Proximal", "Intermediate", "Distal")
_THUMB = ("Metacarpal", "Proximal", "Distal")
_LIMBS = ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")
REQUIRED = {"hips", "spine", "head"} | {
    f"{side}{limb}" for side in ("left", "right") for limb in _LIMBS
}


@dataclass(frozen=True)
class Meta:
    """Who made an avatar, and what others may do with it; the defaults permit little."""

    name: str = "avatar"
    authors: tuple[str, ...] = ("unknown",)
    version: str = "1.0"
    avatar_permission: str = "onlyAuthor"  # or onlySeparatelyLicensedPerson, everyone
    commercial_usage: str = "personalNonProfit"  # or personalProfit, corporation
    credit_notation: str = "required"  # or unnecessary
    modification: str = "prohibited"  # or allowModification, allowModificationRedistribution
    allow_redistribution: bool = False

    def described(self) -> Json:
        """The fields as the format names them."""
        return {
            "name": self.name,
            "version": self.version,
            "authors": list(self.authors),
            "licenseUrl": LICENSE,
            "avatarPermission": self.avatar_permission,
            "commercialUsage": self.commercial_usage,
            "creditNotation": self.credit_notation,
            "modification": self.modification,
            "allowRedistribution": self.allow_redistribution,
            "allowExcessivelyViolentUsage": False,
            "allowExcessivelySexualUsage": False,
            "allowPoliticalOrReligiousUsage": False,
            "allowAntisocialOrHateUsage": False,
        }


def write_vrm(body: Body, meta: Meta | None = None, appearance: Appearance | None = None) -> bytes:
    """An avatar in the T-pose, in meters, facing +z.

    Raises:
        InputError: the body lacks bones that VRM requires.
    """
    file = GlbFile()
    nodes = add_body(file, body, appearance or Appearance(), t_pose=True)
    description = {
        "specVersion": "1.0",
        "meta": (meta or Meta(name=body.name)).described(),
        "humanoid": {"humanBones": _human_bones(body, nodes)},
    }
    _add_extension(file, "VRMC_vrm", description)
    return file.content()


def write_vrma(body: Body, motion: Motion, betas: Float[Tensor, "1 k"] | None = None) -> bytes:
    """An animation of the skeleton of a body alone, which can be played on other avatars.

    Raises:
        InputError: the body lacks bones that VRM requires.
    """
    file = GlbFile()
    nodes = nodes_of(body, body.shaped(betas)[1][0].detach(), t_pose=True)
    add_nodes(file, nodes)
    bones = _human_bones(body, nodes)
    humanoid = {bone["node"] for bone in bones.values()}
    tracks = [each for each in tracks_of(body, nodes, motion, betas) if each.node in humanoid]
    add_animation(file, nodes, motion, tracks)
    for empty in ("meshes",):
        del file.description[empty]
    _add_extension(
        file, "VRMC_vrm_animation", {"specVersion": "1.0", "humanoid": {"humanBones": bones}}
    )
    return file.content()


def _add_extension(file: GlbFile, name: str, content: Json) -> None:
    file.description["extensionsUsed"] = [*file.description.get("extensionsUsed", []), name]
    file.description.setdefault("extensions", {})[name] = content


def _human_bones(body: Body, nodes: Nodes) -> Json:
    """The node of each bone of VRM that the body has."""
    of_joints = nodes.of_joints(len(body.names))
    found: Json = {}
    for name, joint in zip(NAMES, body.canonical, strict=True):
        if joint >= 0:
            found[_bone(name)] = {"node": of_joints[joint]}
    # A body with one or two bones of the spine: VRM asks for the lower ones first.
    for lower, upper in (("spine", "chest"), ("spine", "upperChest"), ("chest", "upperChest")):
        if lower not in found and upper in found:
            found[lower] = found.pop(upper)
    for joint, name in enumerate(body.names):
        if joint not in body.canonical and (bone := _further_bone(name)) is not None:
            found.setdefault(bone, {"node": of_joints[joint]})
    missing = sorted(REQUIRED - set(found))
    if missing:
        raise InputError(f"{body.name}: VRM requires the bones {', '.join(missing)}")
    return dict(_ordered(found))


def _bone(canonical: str) -> str:
    if canonical in _CENTER:
        return _CENTER[canonical]
    side, part = canonical.split("_")
    return f"{side}{_SIDED[part]}"


def _further_bone(name: str) -> str | None:
    """The bone of VRM of a finger or the jaw of the embedded body."""
    if name == "jaw":
        return "jaw"
    side, _, finger = name.partition("_")
    if side not in ("left", "right") or finger[-1:] not in ("1", "2", "3"):
        return None
    part = int(finger[-1]) - 1
    if plain(finger[:-1]) == "thumb":
        return f"{side}Thumb{_THUMB[part]}"
    title = _FINGERS.get("little" if finger[:-1] == "pinky" else finger[:-1])
    return None if title is None else f"{side}{title}{_PARTS[part]}"


def _ordered(bones: Json) -> Iterator[tuple[str, Any]]:
    yield from sorted(bones.items(), key=lambda item: item[1]["node"])
