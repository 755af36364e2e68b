"""The gap between the end and the start of a loop."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss
from guidance.motion.output import MotionOutput


class LoopClosure(MotionLoss):
    """Squared differences of the last pose and its velocity from the first ones.

    Rotations relative to the parents and the height of the pelvis count; the place over the ground
    and the heading may change.
    """

    chosen_by_name = False

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        rows = []
        for rotations, root, count in zip(
            output.rotations, output.root, output.frames, strict=True
        ):
            first, last = rotations[0], rotations[count - 1]
            gap = (first[1:] - last[1:]).square().sum() + (first[0, 1] - last[0, 1]).square().sum()
            gap = gap + (root[0, 1] - root[count - 1, 1]).square()
            if count > 2:
                speed = (rotations[1] - first) - (last - rotations[count - 2])
                gap = gap + speed[1:].square().sum()
            rows.append(gap)
        return torch.stack(rows)
