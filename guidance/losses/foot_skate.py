"""Motion of the feet over the ground while they stand on it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import ANKLES, TOES, MotionLoss, horizontal, mean_over, soles
from guidance.motion.output import MotionOutput

#: A foot is on the ground if it is lower than this above its height at rest, and slower than this.
HEIGHT, SPEED = 0.05, 0.2


class FootSkate(MotionLoss):
    """The mean squared speed of feet over the ground where they stood at the start, in (m/s)^2.

    The contacts are those of the motion before the first step.
    """

    chosen_by_name = False

    def begin(self, start: MotionOutput) -> None:
        self.contacts = contacts(start)

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        both = self.contacts[:, 1:] & self.contacts[:, :-1]
        square = [
            (velocity(output, joints).square().sum(-1) * both[..., part]).sum(-1)
            for part, joints in enumerate((ANKLES, TOES))
        ]
        return mean_over(square[0] + square[1], output, 1)


def velocity(output: MotionOutput, joints: tuple[int, ...]) -> Float[Tensor, "n _ 2 2"]:
    """Speed of joints over the ground from each pose to the next, in m/s."""
    places = horizontal(output.joints[:, :, list(joints)])
    return (places[:, 1:] - places[:, :-1]) * output.fps


def contacts(output: MotionOutput) -> Tensor:
    """Whether ankles and toe joints `[n, t, foot, part]` are low and slow."""
    found = []
    for height, joints in zip(soles(output), (ANKLES, TOES), strict=True):
        if height.shape[1] < 2:
            return torch.zeros(*height.shape, 2, dtype=torch.bool)
        places = horizontal(output.joints[:, :, list(joints)])
        (rate,) = torch.gradient(places, spacing=1 / output.fps, dim=1)
        found.append((height < HEIGHT) & (rate.norm(dim=-1) < SPEED))
    return torch.stack(found, -1).detach()
