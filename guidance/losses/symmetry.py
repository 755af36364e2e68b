"""Difference of images from their mirror image."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.types import Loss, Rendering, StepContext


class Symmetry(Loss):
    """Mean squared difference of an image from its mirror image.

        mean (x - mirrored x)^2        "both": half of left-right plus half of up-down

    Differentiable in the image; in [0, 1], 0 for a symmetric image.

    Source: pixray's SymmetryLoss, which knows left-right only.

    Args:
        axis: what is exchanged: "left-right", "up-down" or "both".

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

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 1] for images in [0, 1]."""
        image = rendering.whole().image
        values = [(image - image.flip(d)).square().mean((1, 2, 3, 4)) for d in self.dimensions]
        return torch.stack(values).mean(0)
