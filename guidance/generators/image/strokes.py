"""Images painted with Bezier strokes, which are also exported as a vector drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.arguments import export_arguments
from guidance.generators.image.param.base import ImageGenerator, check_counts
from guidance.generators.image.param.bezier import paint
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.sizes import Size, sides, unit
from guidance.generators.image.param.windows import fits_block
from guidance.media.colors import parse_color
from guidance.media.write_image import save_png
from guidance.types import StepContext
from guidance.views import Warp, Windows


class Strokes(ImageGenerator):
    """Cubic strokes with a width, a color and an opacity, painted in order over a background.

    All lengths are shares of the image's side, or of the side of the square of equal area if it is
    not square, so that a drawing does not depend on the size.

    Source: Frans et al., "CLIPDraw" (arXiv 2106.14843), with its three learning rates, for
    points, widths and colors: 1, 0.1 and 0.01 in pixels of an image of 224 and in units of
    color. Deviations: one cubic per stroke instead of one to three; strokes start evenly spread
    over the image; the background can be optimized; another renderer (`param/bezier.py`).

    Args:
        seeds: one per sample, for the strokes that it starts from.
        size: pixels per side, or height and width.
        num_strokes: strokes per sample (CLIPDraw: 256 to 512).
        widths: the least and the greatest width, as shares of the side.
        ground: the background color: "learned" (from white), "#rrggbb" or a CSS name.
        learning_rate: of Adam, for points in pixels of an image of 224; the other rates are
            proportional to it.
        export_size: size of the exported image and drawing; by default `size`.

    Raises:
        InputError: a size or number of strokes below 1, widths that are not
            0 < least < greatest <= 1, an unknown background color.
    """

    class Options(ImageOptions):
        """Options of "strokes"."""

        renders_windows = True

        num_strokes: int = Field(default=512, ge=1, le=4096)
        """Number of strokes."""
        export_size: Annotated[int, Field(ge=8, le=8192)] | Literal["size"] = "size"
        """Pixels of the longer side of the files, which are sharp at any size."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Strokes:
        exported = export_arguments(options.export_size, canvas)
        return cls(canvas.seeds, canvas.size, num_strokes=options.num_strokes, **exported)

    #: Learning rates at `learning_rate` 1: of points and widths in sides of the image, of colors.
    POINT_RATE, WIDTH_RATE, COLOR_RATE = 1 / 224, 0.1 / 224, 0.01
    #: At the start: length of a stroke in sides, and standard deviation of its turn at each control
    #: point (chosen by eye: 512 such strokes cover most of the image, without straight lines).
    START_LENGTH, START_TURN_DEG = 0.15, 30.0
    #: How far control points may leave the image, in sides: farther out they get no gradient.
    BEYOND = 0.1
    #: Opacity of a stroke that restarts in a moved image: faint, but enough for a gradient.
    ANEW_OPACITY = 0.3

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        num_strokes: int = 512,
        widths: tuple[float, float] = (0.01, 0.06),
        ground: str = "white",
        learning_rate: float = 1.0,
        export_size: Size | None = None,
    ) -> None:
        super().__init__()
        check_counts("Strokes", size=min(sides(size)), num_strokes=num_strokes)
        exported = size if export_size is None else export_size
        check_counts("Strokes", export_size=min(sides(exported)))
        if not 0 < widths[0] < widths[1] <= 1:
            raise InputError(
                f"Strokes.widths: expected shares of the side, 0 < least < greatest <= 1, got "
                f"{widths}"
            )
        self.num_samples, self.size, self.widths = len(seeds), size, widths
        self.learning_rate, self.export_size = learning_rate, exported
        start = StepContext(tuple(seeds), phase="start")
        self.points = nn.Parameter(self._start_points(start, num_strokes))
        self._first_width = widths[0] + (widths[1] - widths[0]) / 4
        self.width = nn.Parameter(torch.full((len(seeds), num_strokes), self._first_width))
        color = start.uniform("colors", num_strokes, 4)
        color[..., 3] = 0.5 + color[..., 3] / 2  # an invisible stroke gets no gradient
        self.color = nn.Parameter(color)
        if ground == "learned":
            self.ground: Tensor = nn.Parameter(torch.ones(len(seeds), 3))
        else:
            known = torch.tensor(parse_color(ground, "Strokes.ground")).expand(len(seeds), 3)
            self.register_buffer("ground", known.clone(), persistent=False)

    def _start_points(self, start: StepContext, count: int) -> Float[Tensor, "n s 4 2"]:
        """Slightly curved strokes in all directions, with evenly spread centers.

        Source: Roberts' R2 sequence, shifted by a random offset for each sample.
        """
        ratio = 1.324717957244746  # the root of x^3 = x + 1
        index = torch.arange(1, count + 1)
        middles = torch.stack([index / ratio, index / ratio**2], -1)
        middles = (middles + start.uniform("places", 1, 2)).remainder(1) * self._extent(middles)
        turns = math.radians(self.START_TURN_DEG) * start.normal("turns", count, 3)
        turns[..., 0] = 2 * math.pi * start.uniform("directions", count)
        angles = turns.cumsum(-1)
        steps = self.START_LENGTH / 3 * torch.stack([angles.cos(), angles.sin()], -1)
        points = torch.cat([torch.zeros_like(steps[..., :1, :]), steps.cumsum(-2)], -2)
        return points - points.mean(-2, keepdim=True) + middles[:, :, None]

    def _extent(self, like: Tensor) -> Float[Tensor, "2"]:
        """Width and height of the image in units of length."""
        height, width = sides(self.size)
        return like.new_tensor([width, height]) / unit(self.size)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        points, width = self.points * unit(self.size), self.width * unit(self.size)
        return paint(points, width, self.color, self.ground, self.size)

    def through(self, windows: Windows, samples: slice = slice(None)) -> Float[Tensor, "n v 3 h w"]:
        """Paints the strokes transformed into each window."""
        points, width = self.points[samples, None], self.width[samples, None]
        extent = self._extent(points)
        corner = torch.stack([windows.left, windows.top], -1).to(points) * extent
        rows, columns = windows.shape
        scale = torch.stack([columns / windows.side, rows / windows.height], -1).to(points) / extent
        points = (points - corner[:, :, None, None]) * scale[:, :, None, None]
        n, v = scale.shape[:2]
        scale = scale.prod(-1).sqrt()
        color, ground = self.color[samples, None], self.ground[samples, None]
        images = paint(
            points.flatten(0, 1),
            (width * scale[..., None]).flatten(0, 1),
            color.expand(-1, v, -1, -1).flatten(0, 1),
            ground.expand(-1, v, -1).flatten(0, 1),
            windows.shape,
        )
        return images.view(n, v, *images.shape[1:])

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Exact for all strokes that stay in the image.

        Those that leave it restart at a random position, faint and in the color of the image
        there; otherwise a zoom would lose all strokes.
        """
        matrix = warp.matrix.to(self.points)
        extent = self._extent(self.points)
        # Rotation and zoom keep their matrix in units of length; shares of the sides are scaled.
        places = (2 * self.points - extent) @ matrix[:, None, :, :2].mT
        places = places + matrix[:, None, None, :, 2] * extent
        self.points.copy_((places + extent) / 2)
        self.width.mul_(torch.linalg.det(matrix[..., :2]).abs().sqrt()[:, None])
        low, high = self.points.amin(-2), self.points.amax(-2)
        gone = ((high < 0) | (low > extent)).any(-1)
        if not bool(gone.any()):
            return
        anew = self._start_points(context, gone.shape[1]).to(self.points)
        self.points.copy_(torch.where(gone[..., None, None], anew, self.points))
        height, width = sides(self.size)
        last = extent.new_tensor([width - 1, height - 1])
        index = ((anew.mean(-2) / extent).clamp(0, 1) * last).round().long()
        index = (index[..., 1] * width + index[..., 0])[:, None].expand(-1, 3, -1)
        there = self.images().flatten(2).gather(2, index).mT
        color = torch.cat([there, torch.full_like(there[..., :1], self.ANEW_OPACITY)], -1)
        self.color.copy_(torch.where(gone[..., None], color, self.color))
        self.width.copy_(torch.where(gone, self._first_width, self.width))

    def param_groups(self) -> list[dict[str, Any]]:
        rates = {
            "points": self.POINT_RATE,
            "width": self.WIDTH_RATE,
            "color": self.COLOR_RATE,
            "ground": self.COLOR_RATE,
        }
        return [
            {"params": [parameter], "lr": self.learning_rate * rates[name]}
            for name, parameter in self.named_parameters()
        ]

    def project(self) -> None:
        extent = self._extent(self.points)
        self.points.clamp_(extent * 0 - self.BEYOND, extent + self.BEYOND)
        self.width.clamp_(*self.widths)
        self.color.clamp_(0, 1)
        self.ground.clamp_(0, 1)

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png at `export_size`, and strokes.svg with the same drawing."""
        drawing = folder / "strokes.svg"
        drawing.write_text(self.svg(sample), encoding="utf-8")
        path = folder / "image.png"
        if self.export_size == self.size and fits_block(self.size):
            return [save_png(path, self.images()[sample]), drawing]
        return [self.export_blocks(path, self.export_size, sample), drawing]

    @torch.no_grad()
    def svg(self, sample: int) -> str:
        """One sample as the text of an SVG file, in pixels of `export_size`; a path per stroke."""
        height, width = sides(self.export_size)
        side = unit(self.export_size)
        points = (self.points[sample] * side).flatten(1).tolist()
        widths = (self.width[sample] * side).tolist()
        paths = []
        for places, thickness, (*rgb, opacity) in zip(
            points, widths, self.color[sample].tolist(), strict=True
        ):
            move, *curve = (
                f"{x:.3f} {y:.3f}" for x, y in zip(places[::2], places[1::2], strict=True)
            )
            paths.append(
                f'<path d="M {move} C {", ".join(curve)}" stroke="{_hex(rgb)}" '
                f'stroke-opacity="{opacity:.4f}" stroke-width="{thickness:.4f}"/>'
            )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                f'viewBox="0 0 {width} {height}">',
                f'<rect width="{width}" height="{height}" '
                f'fill="{_hex(self.ground[sample].tolist())}"/>',
                '<g fill="none" stroke-linecap="round">',
                *paths,
                "</g>",
                "</svg>",
                "",
            ]
        )

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Strokes:
        return cls(
            range(num_samples),
            size=16,
            num_strokes=12,
            widths=(0.05, 0.3),
            ground="learned",
            learning_rate=4.0,
        )


def _hex(rgb: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * min(max(value, 0), 1)):02x}" for value in rgb)
