"""How pictures are composed, whatever the words are: colours, mirror images, calm, border.

All four read pictures only and average over the views of a sample; `Symmetry` and `Edge` leave out
windows that show a part. Of pictures with alpha they read the colour over black, except `Edge`,
which reads them over its own colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.colors import parse_color
from guidance.errors import InputError
from guidance.types import Loss, Moment, Rendering

#: The eight colours of a display with one bit a channel.
CORNERS = ("black", "red", "lime", "blue", "yellow", "cyan", "magenta", "white")


class Palette(Loss):
    """Mean distance of a pixel from the nearest of the given colours, in RGB.

        mean over pixels of  min_k |x - c_k|        in [0, sqrt(3)]

    Differentiable in the image, with a slope of constant length that ends at the colour. 0 for a
    picture that uses no other colours.

    Source: pixray's PaletteLoss, on whole pictures instead of crops.

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

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, in [0, sqrt(3)]."""
        pixels = rendering.image.movedim(2, -1)
        colors = pixels.new_tensor(self.colors)
        # Which colour is nearest has no slope, so it is found without a graph, and the distance
        # is taken to that one: [.., 3] numbers in memory instead of [.., colours, 3].
        with torch.no_grad():
            nearest = (colors.square().sum(1) - 2 * (pixels @ colors.T)).argmin(-1)
        square = (pixels - colors[nearest]).square().sum(-1)
        return square.clamp_min(1e-12).sqrt().mean((1, 2, 3))  # no slope within 1e-6: no NaN at 0


class Symmetry(Loss):
    """Mean squared difference of a picture from its mirror image.

        mean (x - mirrored x)^2        "both": half of left-right plus half of up-down

    Differentiable in the image; in [0, 1], 0 for a symmetric picture.

    Source: pixray's SymmetryLoss, which knows left-right only.

    Args:
        axis: what is exchanged: "left-right", "up-down" or "both".

    Raises:
        InputError: another axis.
    """

    name = "symmetry"
    AXES: ClassVar = {"left-right": (-1,), "up-down": (-2,), "both": (-1, -2)}

    def __init__(self, axis: str = "left-right") -> None:
        super().__init__()
        if axis not in self.AXES:
            raise InputError(f"Symmetry.axis: expected one of {', '.join(self.AXES)}; got {axis!r}")
        self.dimensions = self.AXES[axis]

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 1] for pictures in [0, 1]."""
        image = rendering.whole().image
        values = [(image - image.flip(d)).square().mean((1, 2, 3, 4)) for d in self.dimensions]
        return torch.stack(values).mean(0)


class Smoothness(Loss):
    """Mean absolute difference along rows and columns, rounded off around 0.

        mean (sqrt(d^2 + epsilon^2) - epsilon), down plus across, with
        d = x[i+1] - x[i]                   order 1: total variation that tolerates faint noise
        d = x[i+1] - 2 x[i] + x[i-1]        order 2: gradients of colour are free, bends are not

    Differentiable in the image; 0 for one colour, and for a straight ramp at order 2.

    Source: Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for
    computed imaging" (ICIP 1994), less its value at 0.

    Args:
        order: of the difference, 1 or 2.
        epsilon: differences well below it count by their square, those above by themselves.

    Raises:
        InputError: another order; `epsilon` not above 0; pictures too small for the difference.
    """

    name = "smoothness"

    def __init__(self, order: int = 2, epsilon: float = 0.01) -> None:
        super().__init__()
        if order not in (1, 2):
            raise InputError(f"Smoothness.order: expected 1 or 2, got {order}")
        if not 0 < epsilon < math.inf:
            raise InputError(f"Smoothness.epsilon: expected a number above 0, got {epsilon}")
        self.order, self.epsilon = order, epsilon

    def prepare(self, start: Rendering) -> None:
        height, width = start.image.shape[-2:]
        if min(height, width) <= self.order:
            raise InputError(
                f"Smoothness: order {self.order} needs pictures of at least {self.order + 1} "
                f"pixels a side, got {height} x {width}"
            )

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, at least 0."""
        return self._along(rendering.image, -1) + self._along(rendering.image, -2)

    def _along(self, image: Float[Tensor, "n v 3 h w"], dimension: int) -> Float[Tensor, "n"]:
        difference = image.diff(n=self.order, dim=dimension)
        length = (difference.square() + self.epsilon**2).sqrt() - self.epsilon
        return length.mean((1, 2, 3, 4))


class Edge(Loss):
    """Mean squared difference of the picture's border from one colour.

        mean over the border's pixels of (x - color)^2

    It keeps things away from the border, and leaves a frame or an empty ground around them. A
    picture with alpha is read over that colour, so that a transparent border costs nothing.

    Source: pixray's EdgeLoss. Deviations: one mean over the whole border instead of one for each
    of its four sides, and no second term that pulls the whole picture towards the colour.

    Args:
        color: "#rrggbb" or a name of CSS.
        thickness: of the border, as a share of the side (pixray: 0.05); at least one pixel.

    Raises:
        InputError: a colour that cannot be read; a thickness outside (0, 0.5].
    """

    name = "edge"

    def __init__(self, color: str = "white", thickness: float = 0.05) -> None:
        super().__init__()
        if not 0 < thickness <= 0.5:
            raise InputError(
                f"Edge.thickness: expected a share of the side in (0, 0.5], e.g. 0.05, got "
                f"{thickness}"
            )
        self.color, self.thickness = parse_color(color, "Edge.color"), thickness

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 1] for pictures in [0, 1]."""
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
