"""Distance from the motion of the start."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss, mean_over
from guidance.motion.output import MotionOutput


class StartDistance(MotionLoss):
    """The mean over poses and joints of the squared distance from the start, in m^2."""

    chosen_by_name = False

    def begin(self, start: MotionOutput) -> None:
        self.start = start.joints

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        return mean_over((output.joints - self.start).square().sum(-1).mean(-1), output)
