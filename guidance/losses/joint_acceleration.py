"""Acceleration of joints that the motion did not have at the start."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss, mean_over
from guidance.motion.output import MotionOutput


class JointAcceleration(MotionLoss):
    """The mean over poses and joints of the squared change of the acceleration, in (m/s^2)^2.

    Args:
        absolute: the acceleration itself, for motions from scratch.
    """

    chosen_by_name = False

    def __init__(self, *, absolute: bool = False) -> None:
        super().__init__()
        self.absolute = absolute

    def begin(self, start: MotionOutput) -> None:
        self.start = start.joints

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        if output.joints.shape[1] < 3:
            return output.joints.new_zeros(output.num_samples)
        change = output.joints if self.absolute else output.joints - self.start
        second = (change[:, 2:] - 2 * change[:, 1:-1] + change[:, :-2]) * output.fps**2
        return mean_over(second.square().sum(-1).mean(-1), output, 2)
