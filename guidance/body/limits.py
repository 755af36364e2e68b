"""Ranges of motion of the canonical joints.

A rotation is split into a twist about the axis of the bone and a swing that moves this axis. The
swing is a rotation vector perpendicular to the axis, so that a joint has three angles, one about
each axis of the T-pose, which are limited independently.

Source: American Academy of Orthopaedic Surgeons, Joint Motion: Method of Measuring and Recording
(1965); of the spine, White and Panjabi, Clinical Biomechanics of the Spine (1990), divided between
its joints. Knees, hips and shoulders reach further, as they do when kneeling and dancing; the
collar adds the motion of the shoulder blade.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.body.joint_names import NAMES

Range = tuple[float, float]
X, Y = 0, 1
#: Joint, axis of the bone, and degrees about x (forward is positive for the spine), y and z. Those
#: of the left side: on the right, angles about y and z have the opposite sign.
_RANGES: tuple[tuple[str, int, Range, Range, Range], ...] = (
    ("spine1", Y, (-20, 40), (-25, 25), (-25, 25)),
    ("spine2", Y, (-20, 40), (-25, 25), (-25, 25)),
    ("spine3", Y, (-20, 40), (-25, 25), (-25, 25)),
    ("neck", Y, (-40, 40), (-45, 45), (-35, 35)),
    ("head", Y, (-40, 40), (-45, 45), (-35, 35)),
    ("left_hip", Y, (-140, 45), (-60, 90), (-40, 75)),  # flexion is negative, abduction positive
    ("left_knee", Y, (-11, 150), (-40, 40), (-15, 15)),
    ("left_ankle", Y, (-40, 60), (-40, 40), (-40, 40)),
    ("left_foot", Y, (-80, 45), (-20, 20), (-20, 20)),
    ("left_collar", X, (-30, 30), (-40, 40), (-25, 50)),
    ("left_shoulder", X, (-110, 110), (-140, 70), (-110, 110)),  # forward and down are negative
    ("left_elbow", X, (-100, 100), (-155, 11), (-20, 20)),  # flexion is negative
    ("left_wrist", X, (-70, 70), (-45, 45), (-90, 90)),  # forward (thumb) and down are negative
)
#: A lower bound of squared lengths before a root, whose gradient at 0 is infinite.
TINY = 1e-12


def _table() -> tuple[Float[Tensor, "22 3"], Float[Tensor, "22 3"], Float[Tensor, "22 3"]]:
    """Lower and upper limits in radians, and axes of the bones; the pelvis is free."""
    low, high = torch.full((len(NAMES), 3), -math.inf), torch.full((len(NAMES), 3), math.inf)
    axis = torch.eye(3)[[Y] * len(NAMES)]
    for name, along, *ranges in _RANGES:
        lower, upper = torch.deg2rad(torch.tensor(ranges)).T
        index = NAMES.index(name)
        low[index], high[index], axis[index] = lower, upper, torch.eye(3)[along]
        if name.startswith("left_"):
            index = NAMES.index(name.replace("left_", "right_"))
            low[index] = torch.stack([lower[0], -upper[1], -upper[2]])
            high[index] = torch.stack([upper[0], -lower[1], -lower[2]])
            axis[index] = torch.eye(3)[along]
    return low, high, axis


LOW, HIGH, AXIS = _table()


def joint_angles(rotations: Float[Tensor, "*b 22 3 3"]) -> Float[Tensor, "*b 22 3"]:
    """Angles about the axes of the T-pose in radians: the twist along the bone, and the swing.

    Differentiable except where the swing is 180 degrees.
    """
    axis = AXIS.to(rotations)
    q = quaternions(rotations)
    along = (q[..., 1:] * axis).sum(-1, keepdim=True)
    w = q[..., :1]
    length = (w * w + along * along).clamp_min(TINY).sqrt()
    twist = torch.cat([w, along * axis], -1) / length
    swing = _product(q, twist * twist.new_tensor([1.0, -1.0, -1.0, -1.0]))
    half = (swing[..., 1:] ** 2).sum(-1, keepdim=True).clamp_min(TINY).sqrt()
    vector = swing[..., 1:] * (2 * torch.atan2(half, swing[..., :1]) / half)
    turned = 2 * torch.atan2(along, w.clamp_min(TINY))
    return vector - (vector * axis).sum(-1, keepdim=True) * axis + turned * axis


def limit_penalty(rotations: Float[Tensor, "*b 22 3 3"]) -> Float[Tensor, "*b"]:
    """The sum of the squared angles beyond the limits, in radians, for each pose."""
    return (_beyond(joint_angles(rotations)) ** 2).sum((-1, -2))


def limit_violations(
    rotations: Float[Tensor, "*b 22 3 3"], tolerance_deg: float = 1.0
) -> Bool[Tensor, "*b 22"]:
    """The joints that are beyond a limit by more than a tolerance."""
    return (_beyond(joint_angles(rotations)) > math.radians(tolerance_deg)).any(-1)


def within_limits(
    rotations: Float[Tensor, "*b 22 3 3"], margin_deg: float = 0.0
) -> Float[Tensor, "*b 22 3 3"]:
    """The rotations with all angles at least a margin within the limits.

    Joints that are there already keep their rotations to the bit.
    """
    margin = math.radians(margin_deg)
    angles = joint_angles(rotations)
    low, high = LOW.to(angles) + margin, HIGH.to(angles) - margin
    beyond = ((angles < low) | (angles > high)).any(-1)[..., None, None]
    angles = torch.minimum(torch.maximum(angles, low), high)
    axis = AXIS.to(rotations)
    twist = (angles * axis).sum(-1, keepdim=True) * axis
    return torch.where(beyond, _rotation(angles - twist) @ _rotation(twist), rotations)


def _beyond(angles: Float[Tensor, "*b 22 3"]) -> Float[Tensor, "*b 22 3"]:
    low, high = LOW.to(angles), HIGH.to(angles)
    return (low - angles).clamp_min(0) + (angles - high).clamp_min(0)


def quaternions(rotations: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternions (w, x, y, z) with w >= 0; differentiable.

    The matrix of products 4 q q^T is linear in the rotation; its row with the largest diagonal
    entry is a multiple of q that is never small.
    """
    m = [[rotations[..., i, j] for j in range(3)] for i in range(3)]
    a, b, c = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    d, e, f = m[1][0] + m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2]
    x, y, z = m[0][0], m[1][1], m[2][2]
    rows = torch.stack(
        [
            torch.stack([1 + x + y + z, a, b, c], -1),
            torch.stack([a, 1 + x - y - z, d, e], -1),
            torch.stack([b, d, 1 - x + y - z, f], -1),
            torch.stack([c, e, f, 1 - x - y + z], -1),
        ],
        -2,
    )
    best = rows.detach().diagonal(dim1=-2, dim2=-1).argmax(-1)
    index = best[..., None, None].expand(*best.shape, 1, 4)
    q = torch.nn.functional.normalize(rows.gather(-2, index)[..., 0, :], dim=-1)
    return torch.where(q[..., :1] < 0, -q, q)


def _product(p: Float[Tensor, "*b 4"], q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    a, u = p[..., :1], p[..., 1:]
    b, v = q[..., :1], q[..., 1:]
    scalar = a * b - (u * v).sum(-1, keepdim=True)
    return torch.cat([scalar, a * v + b * u + torch.linalg.cross(u, v)], -1)


def _rotation(vectors: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Rotations of rotation vectors."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    entries = [zero, -z, y, z, zero, -x, -y, x, zero]
    skew = torch.stack(entries, -1).reshape(*x.shape, 3, 3)
    result: Tensor = torch.linalg.matrix_exp(skew)
    return result
