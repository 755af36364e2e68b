"""Names of bones of other programs."""

from __future__ import annotations

import pytest

from guidance.body.joint_names import NAMES
from guidance.body.names import CONVENTIONS, REQUIRED, Convention, find_canonical, plain


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.title)
@pytest.mark.parametrize("prefix", ["", "mixamorig:", "DEF-"])
def test_every_convention_is_found_among_other_bones(convention: Convention, prefix: str) -> None:
    bones = ["root", *(prefix + bone for bone in convention.bones.values()), "LeftHandIndex1"]
    found = find_canonical(bones)
    for joint, bone in convention.bones.items():
        assert found.canonical[NAMES.index(joint)] == bones.index(prefix + bone), joint
    assert found.missing == ()
    assert set(REQUIRED) <= set(convention.bones)


def test_what_is_missing_is_named() -> None:
    bones = [bone for bone in CONVENTIONS[1].bones.values() if bone not in ("Head", "LeftLeg")]
    found = find_canonical(bones)
    assert (found.convention, found.missing) == ("Mixamo", ("head", "left_knee"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mixamorig:LeftUpLeg", "leftupleg"),
        ("mixamorig12:Hips", "hips"),
        ("DEF-upper_arm.L", "upperarml"),
        ("Definition", "definition"),
        ("Bip01 Head", "head"),
    ],
)
def test_prefixes_and_separators_do_not_count(name: str, expected: str) -> None:
    assert plain(name) == expected
