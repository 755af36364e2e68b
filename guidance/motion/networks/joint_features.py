"""What the encoder of motions reads: joints in a frame that turns with the body, and velocities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.motion.motion import Motion

#: Frames a second, and the longest motion in frames that the encoder reads at once.
FPS, LONGEST = 15.0, 60
#: Seconds over which the heading is smoothed, so that it is defined when a person lies or turns
#: a cartwheel.
SMOOTH_SECONDS = 0.3
JOINTS = len(NAMES)
FEATURES = 6 * JOINTS + 1
LEFT_HIP, RIGHT_HIP = NAMES.index("left_hip"), NAMES.index("right_hip")


def at_rate(
    joints: Float[Tensor, "t j 3"], fps: float, rate: float = FPS
) -> Float[Tensor, "m j 3"]:
    """Positions at another number of frames a second, by linear interpolation."""
    count = max(2, round((len(joints) - 1) * rate / fps) + 1)
    flat = joints.flatten(1).T[None]
    found = F.interpolate(flat, count, mode="linear", align_corners=True)
    return found[0].T.reshape(count, *joints.shape[1:])


def read_joints(motion: Motion) -> Float[Tensor, "m 22 3"]:
    """Positions of the canonical joints of a motion at the rate of the encoder."""
    return at_rate(motion.joints().float(), motion.fps)


def smoothed(values: Float[Tensor, "b t c"], window: int) -> Float[Tensor, "b t c"]:
    """The moving average over an odd number of frames; the ends are held."""
    half = min(window // 2, values.shape[1] - 1)
    padded = F.pad(values.transpose(1, 2), (half, half), mode="replicate")
    return F.avg_pool1d(padded, 2 * half + 1, 1).transpose(1, 2)


def heading_angle(left: Float[Tensor, "b t 2"], rate: float) -> Float[Tensor, "b t"]:
    """The smoothed direction in radians to which a person looks, 0 along z.

    Where the axis from the right to the left hip turns upside down, as in a cartwheel, the heading
    stays: consecutive axes that are opposite to each other are seen as the same.

    Args:
        left: x and z of the axis to the left of the pelvis.
    """
    sign = torch.where((left[:, 1:] * left[:, :-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    left = torch.cat([left[:, :1], left[:, 1:] * sign.cumprod(1)], 1)
    left = smoothed(left, round(SMOOTH_SECONDS * rate) | 1)
    return torch.atan2(-left[..., 1], left[..., 0])


def joint_features(
    joints: Float[Tensor, "b t 22 3"], rate: float = FPS
) -> Float[Tensor, "b t 133"]:
    """Positions, velocities in m/s and the turning speed in rad/s, in the frame of the body.

    Positions are relative to the pelvis over the ground, and their height to the ground. The
    features do not change when the motion is moved over the ground or turned about the vertical.
    """
    yaw = heading_angle((joints[:, :, LEFT_HIP] - joints[:, :, RIGHT_HIP])[..., [0, 2]], rate)
    cosine, sine = yaw.cos()[..., None], yaw.sin()[..., None]

    def local(vectors: Tensor) -> Tensor:
        x, y, z = vectors.unbind(-1)
        return torch.stack([cosine * x - sine * z, y, sine * x + cosine * z], -1)

    ground = joints[:, :, :1] * joints.new_tensor([1.0, 0, 1])
    speed = torch.diff(joints, dim=1) * rate
    speed = torch.cat([speed, speed[:, -1:]], 1)
    turn = torch.diff(yaw, dim=1)
    turn = torch.atan2(turn.sin(), turn.cos()) * rate
    turn = torch.cat([turn, turn[:, -1:]], 1)[..., None]
    return torch.cat([local(joints - ground).flatten(2), local(speed).flatten(2), turn], -1)
