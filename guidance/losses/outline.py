"""Area, crispness and perimeter of an image's alpha channel."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.images.steps import mean_step
from guidance.outputs import Images
from guidance.schedule import Schedule
from guidance.types import Loss, StepContext


class Outline(Loss):
    """Keeps the opaque area within bounds, and the outline crisp and compact.

    With alpha a in [0, 1], its mean m over a view, and the mean q of a^2, which stays small for an
    even, faint alpha:

        max(0, 1 - q / low)^2 + max(0, m - high)^2    area; 1 for an empty image
        + crispness * mean(4 a (1 - a))               0 where a is 0 or 1, 1 where it is 0.5
        + perimeter * mean(|da/dx| + |da/dy|) * side  length of the outline, in image sides

    The side of an image that is not square is that of the square of equal area. The loss is
    averaged over the views that show the whole image, and differentiable in alpha.

    Source: the area term is the transmittance loss of Dream Fields, Jain et al. 2021 (arXiv
    2112.01455), section 3.2. Deviations: it is squared, and has a lower bound, relative to which
    it is measured, because an object that has vanished receives no gradient from any prompt. The
    other two terms are ours.

    Args:
        area: the lower bound of q and the upper bound of m.
        crispness: weight, or a schedule such as "0 -> 0.1"; early in a run the shape needs soft
            edges to change.
        perimeter: weight, or a schedule.

    Raises:
        InputError: bounds that are not 0 <= low <= high <= 1; images without alpha.
    """

    chosen_by_name = False

    name = "outline"

    def __init__(
        self,
        area: tuple[float, float] = (0.25, 0.6),
        crispness: float | str | Schedule = 0.0,
        perimeter: float | str | Schedule = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= area[0] <= area[1] <= 1:
            raise InputError(f"Outline.area: expected 0 <= low <= high <= 1, got {area}")
        self.area = area
        self.crispness, self.perimeter = Schedule.parse(crispness), Schedule.parse(perimeter)

    def prepare(self, start: Images) -> None:
        """Checks that the images have alpha."""
        self._alpha(start)

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0."""
        alpha = self._alpha(rendering.whole())
        mean = alpha.mean((2, 3, 4))
        low, high = self.area
        value = (mean - high).clamp_min(0).square()
        if low:
            solid = alpha.square().mean((2, 3, 4))
            value = value + (1 - solid / low).clamp_min(0).square()
        crispness, perimeter = self.crispness(context.progress), self.perimeter(context.progress)
        if crispness:
            value = value + crispness * (4 * alpha * (1 - alpha)).mean((2, 3, 4))
        if perimeter:
            height, width = alpha.shape[-2:]
            down = (height - 1) * width * mean_step(alpha, -2)
            across = height * (width - 1) * mean_step(alpha, -1)
            value = value + perimeter / math.sqrt(height * width) * (down + across)[:, None]
        return value.mean(1)

    @staticmethod
    def _alpha(rendering: Images) -> Float[Tensor, "n v 1 h w"]:
        if rendering.alpha is None:
            raise InputError(
                "Outline: the images have no alpha; use a generator with an alpha channel, "
                "e.g. cutout"
            )
        return rendering.alpha
