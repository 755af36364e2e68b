"""Total variation of images."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.types import Loss, Rendering, StepContext


class TotalVariation(Loss):
    """Mean absolute difference of neighbouring pixels, down plus across, averaged over views.

    Differentiable in the image; an image of one colour costs 0, a checkerboard of black and
    white pixels 2. Of images with alpha, the colour over black is read.

    Source: Rudin, Osher, Fatemi 1992, in its anisotropic form.
    """

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 2] for images in [0, 1]."""
        image = rendering.image
        down = (image[..., 1:, :] - image[..., :-1, :]).abs()
        across = (image[..., 1:] - image[..., :-1]).abs()
        return down.mean((1, 2, 3, 4)) + across.mean((1, 2, 3, 4))
