"""Which joint of a rig is which of the canonical skeleton, by names and by the hierarchy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from guidance.body.joint_names import NAMES
from guidance.body.names import find_canonical
from guidance.errors import InputError

#: Names of the parts of a limb, without side and separators, the most specific first.
PARTS: dict[str, tuple[str, ...]] = {
    "hip": ("upleg", "thigh", "upperleg", "upperleg01", "hip", "hipjoint", "femur"),
    "knee": ("lowleg", "lowerleg", "calf", "shin", "knee", "lowerleg01", "leg", "tibia"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "ball", "toe0", "toe11", "foot"),
    "collar": ("collar", "clavicle", "shoulder", "collarbone"),
    "shoulder": ("upperarm", "uparm", "upperarm01", "arm", "shoulder", "humerus"),
    "elbow": ("forearm", "lowerarm", "lowarm", "lowerarm01", "elbow", "radius"),
    "wrist": ("hand", "wrist"),
}
PELVIS = ("pelvis", "hips", "hip", "cogpelvis", "root")
#: Without these, no pose can be read.
NEEDED = (
    "pelvis",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle")),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow")),
)
PREFIX = re.compile(
    r"^(?:.*[:|]|def-|bip\d*[ _]|j_bip_[clr]_|cc_base_|valvebiped_|org-|char1_|rig_|armature_)",
    re.I,
)


def _side_and_part(name: str) -> tuple[str, str]:
    """The side ("left", "right" or "") and the rest of a name in lower case letters."""
    vrm = re.match(r"^j_bip_([clr])_(.*)$", name, re.I)
    if vrm:
        side = {"l": "left", "r": "right", "c": ""}[vrm[1].lower()]
        return side, re.sub(r"[^a-z0-9]", "", vrm[2].lower())
    plain = PREFIX.sub("", name.strip())
    for side, pattern in (("left", "[Ll]eft|LEFT"), ("right", "[Rr]ight|RIGHT")):
        found = re.search(pattern, plain)
        if found:
            return side, _letters(plain[: found.start()] + plain[found.end() :])
    for side, letter in (("left", "l"), ("right", "r")):
        patterns = (
            rf"[ ._-]{letter}$", rf"^{letter}[ ._-]", rf"[ ._-]{letter}[ ._-]",
        )  # fmt: skip
        for pattern in patterns:
            if re.search(pattern, plain, re.I):
                return side, _letters(re.sub(pattern, " ", plain, count=1, flags=re.I))
        if re.match(rf"^[{letter.upper()}{letter}](?=[A-Z])", plain):
            return side, _letters(plain[1:])
    return "", _letters(plain)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def find_joints(names: Sequence[str], parents: Sequence[int], where: str) -> dict[str, int]:
    """The index of a joint of the rig for each canonical joint that the rig has.

    Names are compared with those of known programs first; see `guidance.body.names`. The spine is
    what lies between the pelvis and the collars, whatever its names.

    Raises:
        InputError: a joint without which no pose can be read is missing.
    """
    known = find_canonical(names)
    if not known.missing:
        named = {name: i for name, i in zip(NAMES, known.canonical, strict=True) if i >= 0}
        found = {name: i for name, i in named.items() if not name.startswith("spine")}
        _trunk(found, [_side_and_part(name) for name in names], parents)
        found = found if "spine3" in found else named
        return {name: found[name] for name in NAMES if name in found}
    found = guess_joints(names, parents)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        shown = ", ".join(names[:8])
        raise InputError(
            f"{where}: no joint is recognized as {missing[0].replace('_', ' ')}; rename it, e.g. "
            f"as Mixamo does (its joints are {shown:.120}, ...)"
        )
    return found


def guess_joints(names: Sequence[str], parents: Sequence[int]) -> dict[str, int]:
    """The joints that can be found by parts of names and by the hierarchy.

    Limbs are found by their names, the spine as what lies between the pelvis and the collars.
    """
    found: dict[str, int] = {}
    split = [_side_and_part(name) for name in names]
    for side in ("left", "right"):
        by_part: dict[str, int] = {}
        for index, (own, part) in enumerate(split):
            if own == side:
                by_part.setdefault(part, index)
        _limb(found, side, ("hip", "knee", "ankle", "foot"), by_part, parents)
        _limb(found, side, ("collar", "shoulder", "elbow", "wrist"), by_part, parents)
    for part in PELVIS:
        if ("", part) in split and "pelvis" not in found:
            index = split.index(("", part))
            if "left_hip" not in found or index in _above(found["left_hip"], parents):
                found["pelvis"] = index
    if "pelvis" not in found and {"left_hip", "right_hip"} <= set(found):
        found["pelvis"] = _common(found["left_hip"], found["right_hip"], parents)
    found = {name: index for name, index in found.items() if index >= 0}
    if all(name in found for name in NEEDED):
        _trunk(found, split, parents)
    return {name: found[name] for name in NAMES if name in found}


def _limb(
    found: dict[str, int],
    side: str,
    chain: tuple[str, ...],
    by_part: dict[str, int],
    parents: Sequence[int],
) -> None:
    """Finds the joints of a limb from its end inwards, so that no joint is used twice."""
    used: set[int] = set()
    has_arm = any(part in by_part for part in ("arm", "upperarm", "uparm", "upperarm01"))
    shin = any(part in by_part for part in ("shin", "calf"))
    has_ankle, has_toe = "ankle" in by_part, any(p in by_part for p in PARTS["foot"][:-1])
    for part in chain:
        options = list(PARTS[part])
        if part == "hip" and shin:
            options.append("leg")
        if part == "knee" and shin:
            options = ["shin", "calf"]
        if part == "collar" and not has_arm:
            options = ["collar", "clavicle"]
        if part == "foot" and not (has_ankle or has_toe):
            options = []
        if part == "ankle" and "foot" in by_part and not has_ankle:
            options = ["foot"]
        for name in options:
            index = by_part.get(name)
            if index is not None and index not in used:
                found[f"{side}_{part}"] = index
                used.add(index)
                break


def _above(joint: int, parents: Sequence[int]) -> list[int]:
    """The joints above a joint, from its parent to the root."""
    above = []
    while (joint := parents[joint]) >= 0:
        above.append(joint)
    return above


def _common(first: int, second: int, parents: Sequence[int]) -> int:
    others = set(_above(second, parents))
    return next((joint for joint in _above(first, parents) if joint in others), -1)


def _trunk(found: dict[str, int], split: Sequence[tuple[str, str]], parents: Sequence[int]) -> None:
    """The spine from the pelvis to the chest, where the arms begin; then neck and head."""
    arms = [found.get(f"{side}_collar", found[f"{side}_shoulder"]) for side in ("left", "right")]
    chest = _common(arms[0], arms[1], parents)
    spine = [chest, *_above(chest, parents)][::-1] if chest >= 0 else []
    if found["pelvis"] in spine:
        spine = spine[spine.index(found["pelvis"]) + 1 :]
    if spine:
        found["spine3"] = spine[-1]
        if len(spine) > 1:
            found["spine1"] = spine[0]
        if len(spine) > 2:
            found["spine2"] = spine[len(spine) // 2]
    if ("", "head") not in split:
        return
    found["head"] = split.index(("", "head"))
    neck = [joint for joint in _above(found["head"], parents) if joint not in spine]
    neck = neck[: neck.index(found["pelvis"])] if found["pelvis"] in neck else neck
    if neck and neck[-1] not in found.values():
        found["neck"] = next((j for j in reversed(neck) if j not in found.values()), neck[-1])
