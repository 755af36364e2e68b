"""Total variation of images."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.losses.images.steps import mean_step
from guidance.outputs import Images
from guidance.types import Loss, StepContext


class TotalVariation(Loss):
    """Mean absolute difference of neighboring pixels, vertical plus horizontal.

        mean |x[i+1, j] - x[i, j]| + mean |x[i, j+1] - x[i, j]|

    Averaged over views and differentiable in the image. An image of one color costs 0, a
    checkerboard of black and white pixels 2. Images with alpha are composited over black.

    Source: Rudin, Osher, Fatemi 1992, in the anisotropic form.
    """

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 2] for images in [0, 1]."""
        image = rendering.image
        return mean_step(image, -2) + mean_step(image, -1)
