"""Penalty for pixel values outside [0, 1]."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.outputs import Images
from guidance.types import Loss, StepContext


class Range(Loss):
    """Mean squared distance of pixel values from [0, 1].

        mean (x - clamp(x, 0, 1))^2

    For generators whose images can leave the range. Differentiable in the image.

    Source: the range loss of CLIP-guided diffusion (Crowson 2021).
    """

    name = "range"

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`; 0 for images in [0, 1]."""
        image = rendering.image
        return (image - image.clamp(0, 1)).square().mean((1, 2, 3, 4))
