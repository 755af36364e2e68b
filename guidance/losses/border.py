"""A uniform border color for images."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.media.colors import parse_color
from guidance.options import Options as BaseOptions
from guidance.outputs import Images
from guidance.types import Loss, StepContext


class Border(Loss):
    """Mean squared difference of the image's border from one color.

        mean over border pixels of (x - color)^2

    It keeps objects away from the border, with a frame or an empty background around them. Images
    with alpha are composited over the color, so that a transparent border costs nothing.
    Differentiable in image and alpha.

    Source: EdgeLoss of pixray. Deviations: one mean over the whole border instead of one per side,
    and no second term that moves the whole image towards the color.

    Args:
        color: "#rrggbb" or a CSS color name.
        thickness: of the border, as a share of the side (pixray: 0.05); at least one pixel.

    Raises:
        InputError: a color that cannot be parsed; a thickness outside (0, 0.5].
    """

    class Options(BaseOptions):
        """Options of "border"."""

        border_color: str = "white"
        """Color of the border, as #rrggbb or a name."""

    @classmethod
    def from_options(cls, options: Any, context: Any) -> Border:
        return cls(options.border_color)

    def __init__(self, color: str = "white", thickness: float = 0.05) -> None:
        super().__init__()
        if not 0 < thickness <= 0.5:
            raise InputError(
                f"Border.thickness: expected a share of the side in (0, 0.5], e.g. 0.05, got "
                f"{thickness}"
            )
        self.color, self.thickness = parse_color(color, "Border.color"), thickness

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 1] for images in [0, 1]."""
        rendering = rendering.whole()
        image = rendering.image
        color = image.new_tensor(self.color)[:, None, None]
        # image + (1 - alpha) * color - color
        difference = image - (color if rendering.alpha is None else rendering.alpha * color)
        border = self._border(*image.shape[-2:]).to(image.device)
        return difference[..., border].square().mean((1, 2, 3))

    def _border(self, height: int, width: int) -> Tensor:
        border = torch.ones(height, width, dtype=torch.bool)
        down, across = (max(1, round(self.thickness * side)) for side in (height, width))
        border[down : height - down, across : width - across] = False
        return border
