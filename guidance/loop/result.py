"""What a run returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from guidance.outputs import Output, as_images
from guidance.types import Generator


@dataclass(frozen=True)
class Result:
    """The generator in its best state, and the losses on the way there."""

    generator: Generator
    rendering: Output = field(repr=False)  # the fixed views of the best state
    best_loss: Float[Tensor, "n"]  # of the best state, before the generator repaired it
    losses: list[float] = field(repr=False)  # mean total loss of each step; NaN where skipped
    skipped: int = 0
    notes: tuple[str, ...] = ()  # what the generator repaired at the end, a line each

    @property
    def images(self) -> Float[Tensor, "n v 3 h w"]:
        """The images of the best state over white, in [0, 1].

        Raises:
            InputError: the generator does not make images.
        """
        return as_images(self.rendering).over().clamp(0, 1)
