"""Difference of images from their mirror image."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Images
from guidance.types import Loss, StepContext


class Symmetry(Loss):
    """Mean squared difference of an image from its mirror image.

        mean (x - flip(x))^2        "both": the mean of left-right and up-down

    Differentiable in the image; 0 for a symmetric image. Only views that show the whole image
    count.

    Source: SymmetryLoss of pixray, which has left-right only.

    Args:
        axis: the sides that are exchanged: "left-right", "up-down" or "both".

    Raises:
        InputError: another axis.
    """

    name = "symmetry"
    AXES: ClassVar = {"left-right": (-1,), "up-down": (-2,), "both": (-1, -2)}

    def __init__(self, axis: str = "left-right") -> None:
        super().__init__()
        if axis not in self.AXES:
            raise InputError(f"Symmetry.axis: expected one of {', '.join(self.AXES)}; got {axis!r}")
        self.dimensions = self.AXES[axis]

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 1] for images in [0, 1]."""
        image = rendering.whole().image
        values = [(image - image.flip(d)).square().mean((1, 2, 3, 4)) for d in self.dimensions]
        return torch.stack(values).mean(0)
