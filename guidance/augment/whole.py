"""Whole views without changes, for models that accept any aspect ratio."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from guidance.augment import EVERYTHING, Augment, Crops, Part
from guidance.errors import InputError
from guidance.outputs import Images


@dataclass(frozen=True)
class Whole(Augment):
    """Each view once, in its original size and aspect ratio, over white: `Whole.plain()`.

    `Augment.plain()` shows the largest square of an image, at a random position and in a given
    size. Denoisers accept other aspect ratios, so they can see all of the image.

    Raises:
        InputError: an option was given; there are none.
    """

    def __post_init__(self) -> None:
        plain = vars(Augment.plain())
        if given := [name for name, value in vars(self).items() if value != plain[name]]:
            raise InputError(f"Whole: has no options; remove {', '.join(given)}")

    def apply(
        self, rendering: Images, crops: Crops, part: Part = EVERYTHING
    ) -> Float[Tensor, "b 3 h w"]:
        """The views of one part, in the order of [n, v]."""
        return rendering.over()[part.place[:2]].flatten(0, 1)
