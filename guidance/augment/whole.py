"""Views as they are, for models that take any proportions."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from guidance.augment import EVERYTHING, Augment, Crops, Part
from guidance.errors import InputError
from guidance.outputs import Images


@dataclass(frozen=True)
class Whole(Augment):
    """Each view once, in its own size and proportions, over white: `Whole.plain()`.

    `Augment.plain()` shows an oblong image's largest square somewhere, in the size that is asked
    for. Denoisers take oblong images too, and then no part of them goes unseen.

    Raises:
        InputError: any option; it has none.
    """

    def __post_init__(self) -> None:
        plain = vars(Augment.plain())
        if given := [name for name, value in vars(self).items() if value != plain[name]]:
            raise InputError(f"Whole: shows images as they are; leave out {', '.join(given)}")

    def apply(
        self, rendering: Images, crops: Crops, part: Part = EVERYTHING
    ) -> Float[Tensor, "b 3 h w"]:
        """The views of one part, in the order of [n, v]."""
        return rendering.over()[part.place[:2]].flatten(0, 1)
