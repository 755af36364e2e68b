"""Distance of joints from points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss
from guidance.losses.motion.targets import PointTarget, Span
from guidance.motion.output import MotionOutput


class JointPosition(MotionLoss):
    """The sum over targets of the mean squared distance of a joint from its point, in m^2."""

    chosen_by_name = False

    def __init__(self, targets: Sequence[Sequence[PointTarget]]) -> None:
        super().__init__()
        self.targets = tuple(tuple(each) for each in targets)  # of each sample

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        rows = []
        for joints, targets in zip(output.joints, self.targets, strict=True):
            total = joints.new_zeros(())
            for target in targets:
                there = joints[target.span.frames, target.joint]
                total = total + (there - there.new_tensor(target.point)).square().sum(-1).mean()
            rows.append(total)
        return torch.stack(rows)

    @classmethod
    def tiny(cls) -> JointPosition:
        target = PointTarget(21, (0.1, 1.0, 0.3), Span(2, 4))
        return cls([(target,), (target,)])
