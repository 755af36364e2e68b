"""The angle between where the head looks and a point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.losses.motion.base import MotionLoss
from guidance.losses.motion.targets import PointTarget, Span
from guidance.motion.output import MotionOutput

HEAD = NAMES.index("head")


class LookAt(MotionLoss):
    """The sum over targets of the mean of 1 - cos of the angle from the line of sight.

    The line of sight is the z axis of the head.
    """

    chosen_by_name = False

    def __init__(self, targets: Sequence[Sequence[PointTarget]]) -> None:
        super().__init__()
        self.targets = tuple(tuple(each) for each in targets)

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        rows = []
        for sample, targets in enumerate(self.targets):
            total = output.joints.new_zeros(())
            for target in targets:
                sight = output.world[sample, target.span.frames, HEAD, :, 2]
                eyes = output.joints[sample, target.span.frames, HEAD]
                way = F.normalize(eyes.new_tensor(target.point) - eyes, dim=-1)
                total = total + (1 - (sight * way).sum(-1)).mean()
            rows.append(total)
        return torch.stack(rows)

    @classmethod
    def tiny(cls) -> LookAt:
        target = PointTarget(HEAD, (0.5, 1.2, 2.0), Span(1, 5))
        return cls([(target,), (target,)])
