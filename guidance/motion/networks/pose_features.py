"""What the diffusion of motions reads and writes: rotations and the velocity of the root.

A frame has 136 numbers: how fast the body turns about the vertical, its velocity over the ground in
its own frame, the height of the pelvis, and 22 rotations as their first two columns (Zhou et al.,
arXiv 1812.07035), that of the pelvis without the turn. They do not change when the motion is moved
over the ground or turned about the vertical, so windows can follow one another anywhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.motion.networks.joint_features import heading_angle

#: Frames a second of the diffusion.
RATE = 20.0
JOINTS = len(NAMES)
ROOT = 4
WIDTH = ROOT + 6 * JOINTS


def six(matrices: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The first two columns of rotations."""
    return matrices[..., :2].transpose(-1, -2).flatten(-2)


def from_six(values: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """The rotations of two columns of any length, by Gram-Schmidt; differentiable."""
    first = F.normalize(values[..., :3], dim=-1, eps=1e-6)
    second = values[..., 3:]
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = F.normalize(second, dim=-1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def about_y(angle: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3 3"]:
    """Rotations about the vertical by angles in radians."""
    cosine, sine = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [cosine, zero, sine, zero, one, zero, -sine, zero, cosine]
    return torch.stack(rows, -1).reshape(*angle.shape, 3, 3)


def resampled_pose(
    rotations: Float[Tensor, "t 22 3 3"], root: Float[Tensor, "t 3"], at: Float[Tensor, "m"]
) -> tuple[Float[Tensor, "m 22 3 3"], Float[Tensor, "m 3"]]:
    """Poses between frames, by linear interpolation; `at` is in frames."""
    left = at.floor().long().clamp(0, max(0, len(root) - 2))
    right = (left + 1).clamp_max(len(root) - 1)
    part = (at - left).to(root)[:, None]
    columns = six(rotations)
    turned = torch.lerp(columns[left], columns[right], part[..., None])
    return from_six(turned), torch.lerp(root[left], root[right], part)


def pose_features(
    rotations: Float[Tensor, "b t 22 3 3"], root: Float[Tensor, "b t 3"], rate: float = RATE
) -> Float[Tensor, "b t 136"]:
    """The numbers of poses; see above. Velocities of the last frame are those of the one before."""
    yaw = heading_angle(rotations[:, :, 0, [0, 2], 0], rate)
    back = about_y(-yaw)
    turn = torch.diff(yaw, dim=1)
    turn = torch.atan2(turn.sin(), turn.cos()) * rate
    way = (back[:, :-1] @ torch.diff(root, dim=1)[..., None])[..., [0, 2], 0] * rate
    moving = torch.cat([turn[..., None], way], -1)
    moving = torch.cat([moving, moving[:, -1:]], 1)
    pelvis = back @ rotations[:, :, 0]
    local = torch.cat([pelvis[:, :, None], rotations[:, :, 1:]], 2)
    return torch.cat([moving, root[..., 1:2], six(local).flatten(2)], -1)


def poses_of(
    features: Float[Tensor, "b t 136"], rate: float = RATE
) -> tuple[Float[Tensor, "b t 22 3 3"], Float[Tensor, "b t 3"]]:
    """Rotations and root positions of `pose_features`; differentiable.

    The first frame is above the origin, and the person looks along z.
    """
    step = features[:, :-1] / rate
    start = torch.zeros_like(features[:, :1, 0])
    yaw = torch.cat([start, step[..., 0].cumsum(1)], 1)
    turn = about_y(yaw)
    way = torch.stack([step[..., 1], torch.zeros_like(step[..., 1]), step[..., 2]], -1)
    way = (turn[:, :-1] @ way[..., None])[..., 0].cumsum(1)
    ground = torch.cat([torch.zeros_like(features[:, :1, :3]), way], 1)
    root = ground + features[..., 3:4] * ground.new_tensor([0.0, 1, 0])
    local = from_six(features[..., ROOT:].reshape(*features.shape[:-1], JOINTS, 6))
    rotations = torch.cat([(turn @ local[:, :, 0])[:, :, None], local[:, :, 1:]], 2)
    return rotations, root
