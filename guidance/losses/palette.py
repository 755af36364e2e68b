"""Distance of pixel colors from a palette."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.errors import InputError
from guidance.media.colors import parse_color
from guidance.options import Options as BaseOptions
from guidance.outputs import Images
from guidance.types import Loss, StepContext

#: The eight colors of a display with one bit per channel.
CORNERS = ("black", "red", "lime", "blue", "yellow", "cyan", "magenta", "white")


class Palette(Loss):
    """Mean distance of pixels from the nearest color of a palette, in RGB.

        mean over pixels of  min_k |x - c_k|

    Differentiable in the image; the gradient has the same length at any distance. The loss is 0 for
    an image that uses no other colors.

    Source: PaletteLoss of pixray. Deviation: it is computed on whole images instead of crops.

    Args:
        colors: "#rrggbb" or CSS color names, at least one.

    Raises:
        InputError: no color, or one that cannot be parsed.
    """

    class Options(BaseOptions):
        """Options of "palette"."""

        palette: tuple[str, ...] = Field(default=CORNERS, min_length=1)
        """Colors to keep to, as #rrggbb or names."""

    @classmethod
    def from_options(cls, options: Any, context: Any) -> Palette:
        return cls(options.palette)

    name = "palette"

    def __init__(self, colors: Sequence[str] = CORNERS) -> None:
        super().__init__()
        if isinstance(colors, str) or not colors:
            raise InputError(
                f'Palette.colors: expected colors such as ("#1a1c2c", "white"), got {colors!r}'
            )
        self.colors = tuple(parse_color(color, "Palette.colors") for color in colors)

    def forward(self, rendering: Images, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, sqrt(3)] for images in [0, 1]."""
        pixels = rendering.image.movedim(2, -1)
        colors = pixels.new_tensor(self.colors)
        # The index of the nearest color has no gradient, so it is found without a graph. This
        # keeps [.., 3] numbers in memory instead of [.., colors, 3].
        with torch.no_grad():
            nearest = (colors.square().sum(1) - 2 * (pixels @ colors.T)).argmin(-1)
        square = (pixels - colors[nearest]).square().sum(-1)
        # The derivative of the root is infinite at 0; within 1e-6 the gradient is 0 instead.
        return square.clamp_min(1e-12).sqrt().mean((1, 2, 3))
