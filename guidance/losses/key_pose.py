"""Distance of the pose in a frame from a given pose."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss
from guidance.losses.motion.targets import PoseTarget
from guidance.motion.output import MotionOutput


class KeyPose(MotionLoss):
    """The sum over key poses of the mean over joints of |R - R_wanted|^2."""

    chosen_by_name = False

    def __init__(self, targets: Sequence[Sequence[PoseTarget]]) -> None:
        super().__init__()
        self.targets = tuple(tuple(each) for each in targets)

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        rows = []
        for rotations, targets in zip(output.rotations, self.targets, strict=True):
            total = rotations.new_zeros(())
            for target in targets:
                joints = list(target.joints)
                gap = rotations[target.frame, joints] - target.rotations.to(rotations)[joints]
                total = total + gap.square().sum((-1, -2)).mean()
            rows.append(total)
        return torch.stack(rows)

    @classmethod
    def tiny(cls) -> KeyPose:
        target = PoseTarget(torch.eye(3).expand(22, 3, 3), (17, 19), 3)
        return cls([(target,), (target,)])
