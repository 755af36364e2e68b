"""How unusual poses are, by the poses of a bank."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss, mean_over
from guidance.motion.bank import load_bank
from guidance.motion.motion import Motion
from guidance.motion.output import MotionOutput

#: Frames between the poses that are counted, and the share of the mean variance that is added.
EVERY, SHRINKAGE = 6, 0.1


class PosePrior(MotionLoss):
    """The mean squared Mahalanobis distance of poses from those of a bank, per dimension.

    A pose is the first two columns of the rotations of all joints but the pelvis. The covariance is
    shrunk towards a multiple of the identity.

    Args:
        motions: by default those of the embedded bank.
    """

    chosen_by_name = False

    def __init__(self, motions: Iterable[Motion] | None = None) -> None:
        super().__init__()
        motions = load_bank().clips.values() if motions is None else motions
        poses = torch.cat([features(motion.rotations[::EVERY]) for motion in motions]).double()
        self.mean = poses.mean(0)
        centered = poses - self.mean
        covariance = centered.mT @ centered / max(1, len(poses) - 1)
        diagonal = covariance.diagonal().mean().clamp_min(1e-6) * torch.eye(len(covariance))
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal
        self.whitening = torch.linalg.cholesky(torch.linalg.inv(covariance))

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        away = features(output.rotations) - self.mean.to(output.rotations)
        return mean_over((away @ self.whitening.to(away)).square().mean(-1), output)

    @classmethod
    def tiny(cls) -> PosePrior:
        generator = torch.Generator().manual_seed(0)
        turns, _ = torch.linalg.qr(torch.randn(40, 22, 3, 3, generator=generator))
        return cls([Motion(turns, torch.zeros(40, 3))])


def features(rotations: Float[Tensor, "*b 22 3 3"]) -> Float[Tensor, "*b m"]:
    """The first two columns of all rotations but that of the pelvis."""
    return rotations[..., 1:, :, :2].flatten(-3)
