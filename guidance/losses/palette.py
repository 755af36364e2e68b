"""Distance of pixel colors from a palette."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.media.colors import parse_color
from guidance.types import Loss, Rendering, StepContext

#: The eight colours of a display with one bit a channel.
CORNERS = ("black", "red", "lime", "blue", "yellow", "cyan", "magenta", "white")


class Palette(Loss):
    """Mean distance of a pixel from the nearest of the given colours, in RGB.

        mean over pixels of  min_k |x - c_k|        in [0, sqrt(3)]

    Differentiable in the image, with a slope of constant length that ends at the colour. 0 for a
    image that uses no other colours.

    Source: pixray's PaletteLoss, on whole images instead of crops.

    Args:
        colors: "#rrggbb" or names of CSS, at least one.

    Raises:
        InputError: no colour, or one that cannot be read.
    """

    name = "palette"

    def __init__(self, colors: Sequence[str] = CORNERS) -> None:
        super().__init__()
        if isinstance(colors, str) or not colors:
            raise InputError(
                f'Palette.colors: expected colours such as ("#1a1c2c", "white"), got {colors!r}'
            )
        self.colors = tuple(parse_color(color, "Palette.colors") for color in colors)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, sqrt(3)]."""
        pixels = rendering.image.movedim(2, -1)
        colors = pixels.new_tensor(self.colors)
        # Which colour is nearest has no slope, so it is found without a graph, and the distance
        # is taken to that one: [.., 3] numbers in memory instead of [.., colours, 3].
        with torch.no_grad():
            nearest = (colors.square().sum(1) - 2 * (pixels @ colors.T)).argmin(-1)
        square = (pixels - colors[nearest]).square().sum(-1)
        return square.clamp_min(1e-12).sqrt().mean((1, 2, 3))  # no slope within 1e-6: no NaN at 0
