"""The base of losses of motions, and means over the poses of each sample."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.motion.output import MotionOutput, as_motions
from guidance.types import Loss, StepContext

ANKLES = tuple(NAMES.index(f"{side}_ankle") for side in ("left", "right"))
TOES = tuple(NAMES.index(f"{side}_foot") for side in ("left", "right"))


class MotionLoss(Loss):
    """A loss of `MotionOutput`: it reads joints and rotations, and no images.

    A subclass implements `of_motions`. Its task creates it, so it has no name on the command line.
    """

    chosen_by_name: ClassVar[bool] = False

    def prepare(self, start: Any) -> None:
        self.begin(as_motions(start, type(self).__name__))

    def begin(self, start: MotionOutput) -> None:
        """Called once with the motions before the first step."""

    def forward(self, rendering: Any, context: StepContext) -> Float[Tensor, "n"]:
        """One number for each sample.

        Raises:
            InputError: an output that is not of motions.
        """
        return self.of_motions(as_motions(rendering, type(self).__name__))

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        """The loss of each sample."""
        raise NotImplementedError

    @classmethod
    def tiny(cls) -> MotionLoss:
        """A small instance, for the contract tests."""
        return cls()


def mean_over(
    values: Float[Tensor, "n m"], output: MotionOutput, steps: int = 0
) -> Float[Tensor, "n"]:
    """The mean over the poses of each sample, without padding.

    Args:
        values: one for each pose, or for each row of `steps + 1` consecutive poses.
    """
    valid = output.valid[:, steps:].to(values)
    return (values * valid).sum(1) / valid.sum(1).clamp_min(1)


def soles(output: MotionOutput) -> tuple[Float[Tensor, "n t 2"], Float[Tensor, "n t 2"]]:
    """How high the ankles and the toe joints are above their height in a standing person."""
    rest = output.skeleton.rest.to(output.joints)
    ankles, toes = list(ANKLES), list(TOES)
    height = output.joints[..., 1]
    return height[..., ankles] - rest[ankles, 1], height[..., toes] - rest[toes, 1]


def horizontal(values: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 2"]:
    """X and z."""
    return torch.stack([values[..., 0], values[..., 2]], -1)
