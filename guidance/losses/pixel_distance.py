"""Mean squared difference of pixels from reference images."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Images
from guidance.types import Loss, StepContext


class PixelDistance(Loss):
    """Mean squared difference of pixels from those of reference images, over white.

    Args:
        reference: images [n, v, 3, h, w] in [0, 1]; by default the images before the first step.

    Raises:
        InputError: images of another shape than the reference.
    """

    chosen_by_name = False

    def __init__(self, reference: Float[Tensor, "n v 3 h w"] | None = None) -> None:
        super().__init__()
        self.reference = reference

    def prepare(self, start: Images) -> None:
        """Keeps the reference."""
        if self.reference is None:
            self.reference = start.over().detach()

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        image = rendering.over()
        if self.reference is None:
            self.prepare(rendering)
        assert self.reference is not None
        if self.reference.shape != image.shape:
            raise InputError(
                f"PixelDistance: expected images of {list(self.reference.shape)} like the "
                f"reference, got {list(image.shape)}"
            )
        found: Tensor = (image - self.reference.to(image)).square().flatten(1).mean(1)
        return found
