"""Angles of joints beyond their ranges of motion."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.body.limits import limit_penalty
from guidance.losses.motion.base import MotionLoss, mean_over
from guidance.motion.output import MotionOutput


class JointLimits(MotionLoss):
    """The mean over poses of the summed squared angles beyond the limits, in radians^2."""

    chosen_by_name = False

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        return mean_over(limit_penalty(output.rotations), output)
