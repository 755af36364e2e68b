"""Retargeting from rigs with other axes, sizes and rest poses, and the corrections after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from guidance.body.joint_names import NAMES
from guidance.body.joints import find_joints
from guidance.body.limits import limit_violations
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.motion.cleaning import above_ground, contacts, foot_locked, grounded, with_travel
from guidance.motion.hinges import hinged
from guidance.motion.metrics import skate_cm_s
from guidance.motion.motion import Motion
from guidance.motion.retarget import retarget
from guidance.motion.rotations import bent, between, from_rotation_vectors
from tests.motion.rigs import MIXAMO, random_motion, recording


@pytest.mark.parametrize(
    ("scale", "turn_deg", "a_pose_deg"), [(1, 0, 0), (100, 0, 0), (1, 90, 0), (0.39, -30, 45)]
)
def test_a_known_motion_is_recovered(scale: float, turn_deg: float, a_pose_deg: float) -> None:
    motion = random_motion()
    found = retarget(recording(motion, scale, turn_deg, a_pose_deg), "test")
    torch.testing.assert_close(found.rotations, motion.rotations, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.joints(), motion.joints(), atol=1e-3, rtol=0)


def test_a_rig_that_does_not_stand_is_refused() -> None:
    source = recording(random_motion())
    rig = replace(source.rig, positions=source.rig.positions * [1, 0, 1])
    with pytest.raises(InputError, match="person who stands"):
        retarget(replace(source, rig=rig, positions=0 * source.positions), "test")


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("{s}{p}", dict(zip(("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow",
                             "wrist"), ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm",
                                        "ForeArm", "Hand"), strict=True))),
        ("{p}_{l}", dict(zip(("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow",
                              "wrist"), ("thigh", "calf", "foot", "ball", "clavicle", "upperarm",
                                         "lowerarm", "hand"), strict=True))),
        ("DEF-{p}.{u}", dict(zip(("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow",
                                  "wrist"), ("thigh", "shin", "foot", "toe", "shoulder",
                                             "upper_arm", "forearm", "hand"), strict=True))),
        ("{s}{p}", dict(zip(("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow",
                             "wrist"), ("Leg", "Shin", "Foot", "ToeBase", "Shoulder", "Arm",
                                        "ForeArm", "Hand"), strict=True))),
        ("{v}_{p}", {p: p for p in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow",
                                    "wrist")}),
        ("J_Bip_{u}_{p}", dict(zip(("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow",
                                    "wrist"), ("UpperLeg", "LowerLeg", "Foot", "ToeBase",
                                               "Shoulder", "UpperArm", "LowerArm", "Hand"),
                                   strict=True))),
    ],
    ids=["mixamo", "unreal", "rigify", "soma", "smpl", "vroid"],
)  # fmt: skip
def test_names_of_other_programs(pattern: str, parts: dict[str, str]) -> None:
    """In any order; the trunk is found by the hierarchy."""
    names = []
    for name in NAMES:
        side, _, part = name.rpartition("_")
        trunk = {"pelvis": "Hips", "head": "Head", "neck": "Neck"}.get(name, name)
        letters = {"s": side.capitalize(), "v": side, "l": side[:1], "u": side[:1].upper()}
        names.append(pattern.format(p=parts[part], **letters) if side else trunk)
    found = find_joints(names, canonical().parents, "test")
    assert found == {name: index for index, name in enumerate(NAMES)}


def test_a_missing_joint_is_named() -> None:
    with pytest.raises(InputError, match="left elbow"):
        find_joints([n.replace("LeftForeArm", "x") for n in MIXAMO], canonical().parents, "test")


def test_hinges_keep_all_joints_and_bend_elbows_about_their_axis() -> None:
    """A forearm that bends up, by 90 degrees about z, belongs to an upper arm that is twisted."""
    motion = Motion(torch.eye(3).repeat(9, 22, 1, 1), canonical().rest[:1].repeat(9, 1))
    elbow = NAMES.index("left_elbow")
    motion.rotations[:, elbow] = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert limit_violations(motion.rotations)[:, elbow].all()
    found = hinged(motion)
    torch.testing.assert_close(found.joints(), motion.joints(), atol=1e-5, rtol=0)
    assert not limit_violations(found.rotations)[:, elbow].any()


def test_two_bones_reach_their_target() -> None:
    target = np.array([[0.3, -0.2, 0.4], [0.0, 0, 5], [0.02, 0, 0]])
    middle, end, _ = bent(target, np.array([[0.0, 1, 0]] * 3), 0.3, 0.25)
    np.testing.assert_allclose(end[0], target[0], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 0.3, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=1), 0.25, atol=1e-9)
    along = end / np.linalg.norm(end, axis=1, keepdims=True)
    aside = middle - (middle * along).sum(1, keepdims=True) * along
    assert (aside[:, 1] > 0.001).all()


def test_rotations_between_directions() -> None:
    a, b = np.array([1.0, 0, 0]), np.array([[0, 1.0, 0], [-1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(between(a, b) @ a, b, atol=1e-7)


def test_feet_that_slide_are_locked() -> None:
    """A standing person whose root drifts by 5 cm in a second; the feet stay afterwards."""
    still = Motion(torch.eye(3).repeat(30, 22, 1, 1), canonical().rest[:1].repeat(30, 1))
    drift = torch.linspace(0, 0.05, 30)[:, None] * torch.tensor([0.0, 0, 1])
    motion = replace(still, root=still.root + drift - torch.tensor([0, 0.03, 0]))
    assert contacts(motion.joints().numpy(), 30).all()
    assert skate_cm_s(motion.joints()) == pytest.approx(5 * 30 / 29, rel=1e-3)
    assert skate_cm_s(foot_locked(motion).joints()) < 0.3
    assert abs(grounded(motion).root[0, 1] - still.root[0, 1]) < 1e-4
    assert above_ground(motion).root[:, 1].min() > still.root[0, 1] - 0.005


def test_a_treadmill_becomes_a_way() -> None:
    """Feet that go back at 1 m/s on the ground carry the body forward at 1 m/s."""
    rotations = torch.eye(3).repeat(31, 22, 1, 1)
    angle = torch.linspace(-0.3, 0.3, 31)
    vectors = torch.stack([angle, 0 * angle, 0 * angle], -1).numpy()
    for side in ("left", "right"):
        rotations[:, NAMES.index(f"{side}_hip")] = torch.from_numpy(
            from_rotation_vectors(vectors)
        ).float()
    motion = Motion(rotations, canonical().rest[:1].repeat(31, 1))
    toes = motion.joints()[:, NAMES.index("left_foot"), 2]
    speed = float(toes[0] - toes[-1])
    found = with_travel(motion)
    assert float(found.root[-1, 2]) == pytest.approx(speed, rel=0.1)
