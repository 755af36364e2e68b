"""The canonical skeleton and motions of it."""

from __future__ import annotations

import math

import torch
from kornia.geometry.conversions import axis_angle_to_rotation_matrix

from guidance.body.joint_names import MIRRORED, NAMES
from guidance.body.skeleton import canonical
from guidance.motion.motion import Motion


def still(frames: int = 2) -> Motion:
    return Motion(torch.eye(3).repeat(frames, 22, 1, 1), canonical().rest[:1].repeat(frames, 1))


def test_the_rest_pose_is_a_symmetric_t_pose() -> None:
    rest = canonical().rest
    torch.testing.assert_close(rest[list(MIRRORED)] * torch.tensor([-1.0, 1, 1]), rest)
    torch.testing.assert_close(still().joints()[0], rest)
    assert rest[NAMES.index("left_wrist"), 0] > 0.6
    assert rest[NAMES.index("left_foot"), 1].abs() < 0.05


def test_a_rotation_moves_the_joints_below_it() -> None:
    """The left arm raised by 90 degrees about z points up; all else stays."""
    motion = still()
    shoulder, wrist = NAMES.index("left_shoulder"), NAMES.index("left_wrist")
    motion.rotations[:, shoulder] = axis_angle_to_rotation_matrix(
        torch.tensor([[0, 0, math.pi / 2]])
    )
    joints, rest = motion.joints()[0], canonical().rest
    reach = rest[wrist, 0] - rest[shoulder, 0]
    torch.testing.assert_close(joints[wrist], rest[shoulder] + torch.tensor([0, 1.0, 0]) * reach)
    others = [j for j, name in enumerate(NAMES) if name not in ("left_elbow", "left_wrist")]
    torch.testing.assert_close(joints[others], rest[others])


def test_mirroring_mirrors_the_joints() -> None:
    torch.manual_seed(0)
    motion = Motion(
        axis_angle_to_rotation_matrix(torch.randn(3 * 22, 3)).view(3, 22, 3, 3), torch.randn(3, 3)
    )
    expected = motion.joints()[:, list(MIRRORED)] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(motion.mirrored().joints(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(motion.mirrored().mirrored().rotations, motion.rotations)
