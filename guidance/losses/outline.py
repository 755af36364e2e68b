"""What a cut-out thing's outline should be like, whatever the words are."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.schedule import Schedule
from guidance.types import Loss, Rendering, StepContext


class Outline(Loss):
    """Keeps alpha from filling the canvas or vanishing, and makes it crisp and compact.

    With alpha a in [0, 1], its mean m over a view and the mean q of a^2, which a faint veil over
    everything does not raise:

        max(0, 1 - q / low)^2 + max(0, m - high)^2    area; 1 where nothing is left of the thing
        + crispness * mean(4 a (1 - a))               0 where a is 0 or 1, 1 where it is 0.5
        + perimeter * mean(|da/dx| + |da/dy|) * side  outline length in sides of the image

    averaged over the views of a sample that show the whole image. Everything is differentiable
    in alpha.

    Source: the area term is Dream Fields' transmittance loss (arXiv 2112.01455, section 3.2),
    squared and with a lower bound, in shares of it: a thing that has vanished gets no
    gradient from any words. The other two are ours.

    Args:
        area: least q and greatest m that cost nothing.
        crispness: weight, or a schedule such as "0 -> 0.1": a thing first needs room to move.
        perimeter: weight, or a schedule.

    Raises:
        InputError: bounds that are not 0 <= low <= high <= 1; images without alpha.
    """

    def __init__(
        self,
        area: tuple[float, float] = (0.25, 0.6),
        crispness: float | str = 0.0,
        perimeter: float | str = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= area[0] <= area[1] <= 1:
            raise InputError(f"Outline.area: expected 0 <= low <= high <= 1, got {area}")
        self.area = area
        self.crispness, self.perimeter = Schedule.parse(crispness), Schedule.parse(perimeter)

    def prepare(self, start: Rendering) -> None:
        self._alpha(start)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
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
            down = (alpha[..., 1:, :] - alpha[..., :-1, :]).abs().sum((2, 3, 4))
            across = (alpha[..., 1:] - alpha[..., :-1]).abs().sum((2, 3, 4))
            value = value + perimeter * (down + across) / alpha.shape[-1]
        return value.mean(1)

    @staticmethod
    def _alpha(rendering: Rendering) -> Float[Tensor, "n v 1 h w"]:
        if rendering.alpha is None:
            raise InputError(
                "Outline: the images have no alpha; use a generator that cuts things out, "
                "e.g. cutout"
            )
        return rendering.alpha
