"""Charbonnier smoothness of images."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Images
from guidance.types import Loss, StepContext


class Smoothness(Loss):
    """Charbonnier penalty of finite differences along rows and columns.

        mean (sqrt(d^2 + epsilon^2) - epsilon), vertical plus horizontal, with
        d = x[i+1] - x[i]                   order 1: total variation that tolerates faint noise
        d = x[i+1] - 2 x[i] + x[i-1]        order 2: color gradients cost nothing, edges do

    Differentiable in the image; 0 for an image of one color, and for a linear ramp at order 2.

    Source: Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for
    computed imaging" (ICIP 1994). Deviation: the value at d = 0 is subtracted.

    Args:
        order: of the difference, 1 or 2.
        epsilon: the penalty is quadratic for differences well below it, and linear above.

    Raises:
        InputError: another order; `epsilon` not above 0; images too small for the difference.
    """

    name = "smoothness"

    def __init__(self, order: int = 2, epsilon: float = 0.01) -> None:
        super().__init__()
        if order not in (1, 2):
            raise InputError(f"Smoothness.order: expected 1 or 2, got {order}")
        if not 0 < epsilon < math.inf:
            raise InputError(f"Smoothness.epsilon: expected a number above 0, got {epsilon}")
        self.order, self.epsilon = order, epsilon

    def prepare(self, start: Images) -> None:
        """Checks that the images are large enough."""
        height, width = start.image.shape[-2:]
        if min(height, width) <= self.order:
            raise InputError(
                f"Smoothness: order {self.order} needs images of at least {self.order + 1} "
                f"pixels per side, got {height} x {width}"
            )

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0."""
        return self._along(rendering.image, -1) + self._along(rendering.image, -2)

    def _along(self, image: Float[Tensor, "n v 3 h w"], dimension: int) -> Float[Tensor, "n"]:
        difference = image.diff(n=self.order, dim=dimension)
        length = (difference.square() + self.epsilon**2).sqrt() - self.epsilon
        return length.mean((1, 2, 3, 4))
