"""Ranges of motion."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.body.joint_names import MIRRORED, NAMES
from guidance.body.limits import (
    HIGH,
    LOW,
    joint_angles,
    limit_penalty,
    limit_violations,
    within_limits,
)
from tests.body.bodies import random_rotations, rotation


def pose(**joints: torch.Tensor) -> torch.Tensor:
    rotations = torch.eye(3, dtype=torch.float64).repeat(22, 1, 1)
    for name, matrix in joints.items():
        rotations[NAMES.index(name)] = matrix
    return rotations


@pytest.mark.parametrize(
    ("joint", "axis", "degrees", "beyond"),
    [
        ("left_knee", "x", 140, 0),
        ("left_knee", "x", 160, 10),
        ("right_knee", "x", -21, 10),
        ("left_elbow", "y", -150, 0),
        ("left_elbow", "y", 31, 20),
        ("right_elbow", "y", -31, 20),
        ("right_elbow", "y", 150, 0),
        ("left_hip", "z", 70, 0),
        ("right_hip", "z", 70, 30),
        ("pelvis", "y", 179, 0),
    ],
)
def test_degrees_beyond_a_limit(joint: str, axis: str, degrees: float, beyond: float) -> None:
    rotations = pose(**{joint: rotation(degrees, axis)})
    expected = math.radians(beyond) ** 2
    assert float(limit_penalty(rotations)) == pytest.approx(expected, abs=1e-6)
    violated = limit_violations(rotations)
    assert int(violated.sum()) == (beyond > 0)
    assert bool(violated[NAMES.index(joint)]) == (beyond > 0)


def test_twist_and_swing_are_told_apart() -> None:
    arm = rotation(-60, "z") @ rotation(40, "x")  # swing after a twist about the bone
    angles = joint_angles(pose(left_shoulder=arm))[NAMES.index("left_shoulder")]
    expected = torch.tensor([40.0, 0.0, -60.0], dtype=torch.float64).deg2rad()
    torch.testing.assert_close(angles, expected, atol=1e-5, rtol=0)


def test_clamped_poses_violate_nothing_and_allowed_ones_stay() -> None:
    rotations = random_rotations(50, 22, seed=4)
    clamped = within_limits(rotations)
    assert bool(limit_violations(rotations).any())
    assert not bool(limit_violations(clamped, 0.01).any())
    allowed = ~limit_violations(rotations, 0.0)
    assert torch.equal(clamped[allowed], rotations[allowed])
    inner = joint_angles(within_limits(rotations, 3.0))
    assert float(torch.minimum(inner - LOW, HIGH - inner).min().rad2deg()) > 2.99


def test_the_sides_have_the_same_limits() -> None:
    rotations = random_rotations(20, 22, seed=5)
    flip = torch.tensor([-1.0, 1.0, 1.0]).double()
    mirrored = flip[:, None] * rotations[:, list(MIRRORED)] * flip
    torch.testing.assert_close(limit_penalty(mirrored), limit_penalty(rotations))


def test_the_penalty_has_the_gradient_of_finite_differences() -> None:
    rotations = random_rotations(2, 22, seed=6) @ random_rotations(2, 22, seed=7)
    assert float(limit_penalty(rotations).min()) > 0
    direction = random_rotations(2, 22, seed=8) - torch.eye(3).double()
    inputs = rotations.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(limit_penalty(inputs).sum(), inputs)
    step = 1e-6
    ahead, behind = (limit_penalty(rotations + s * step * direction).sum() for s in (1, -1))
    slope = float(ahead - behind) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_the_gradient_at_rest_is_finite() -> None:
    inputs = pose().requires_grad_()
    (gradient,) = torch.autograd.grad(joint_angles(inputs).sum(), inputs)
    assert bool(gradient.isfinite().all())
