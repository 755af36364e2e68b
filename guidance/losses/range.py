"""Penalty for pixel values outside [0, 1]."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.types import Loss, Rendering, StepContext


class Range(Loss):
    """Mean squared distance of values from [0, 1], for generators whose images can leave it.

    Source: the range loss of CLIP-guided diffusion (Crowson 2021).
    """

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`; 0 where nothing leaves the range."""
        image = rendering.image
        return (image - image.clamp(0, 1)).square().mean((1, 2, 3, 4))
