"""How deep feet and other joints are below the ground."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import ANKLES, TOES, MotionLoss, mean_over
from guidance.motion.output import MotionOutput


class Ground(MotionLoss):
    """The mean over poses of the summed squared depth of joints below the ground at y = 0, in m^2.

    Feet are as thick as toe joints are high in a standing person.
    """

    chosen_by_name = False

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        return mean_over(depths(output).square().sum(-1), output)


def depths(output: MotionOutput) -> Float[Tensor, "n t 22"]:
    """How deep each joint is in the ground, at least 0."""
    rest = output.skeleton.rest.to(output.joints)
    thick = rest.new_zeros(len(rest))
    thick[[*ANKLES, *TOES]] = rest[list(TOES), 1].mean()
    return (thick - output.joints[..., 1]).clamp_min(0)
