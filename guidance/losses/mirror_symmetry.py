"""Difference of poses from their mirror images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import MIRRORED
from guidance.losses.motion.base import MotionLoss, mean_over
from guidance.motion.output import MotionOutput


class MirrorSymmetry(MotionLoss):
    """The mean squared difference of the rotations of both sides, mirrored; 0 if left equals right.

    The pelvis is left out, so that the heading is free.
    """

    chosen_by_name = False

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        flip = torch.tensor([-1.0, 1.0, 1.0]).to(output.rotations)
        other = flip[:, None] * output.rotations[:, :, list(MIRRORED)] * flip
        difference = (output.rotations - other)[:, :, 1:]
        return mean_over(difference.square().sum((-1, -2)).mean(-1), output)
