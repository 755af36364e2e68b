"""Differentiable painting of strokes along cubic Bezier curves, one over the other.

The image is divided into square tiles. Only pairs of a stroke and a tile that it can reach are
processed, so the cost is proportional to the painted area, not to strokes times pixels:

    strokes -> pairs (stroke, tile) -> nearest point of the curve for each pixel -> coverage
            -> lists of layers, one per tile -> composited from the lowest to the highest

Letters of this file: s strokes of a sample, c tiles of an image, t tiles of all samples, q pairs,
m pixels of a tile.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.generators.image.param.sizes import Size, sides

#: The most tiles on the longer side, and the least pixels per side of a tile. Measured with 512
#: strokes, forward and backward on one core: 34 ms at 128 px (68 and 49 with tiles of 4 and 16
#: pixels), 298 ms at 512 px (452 with 16 tiles per side).
TILES, LEAST_PIXELS = 32, 8
#: Points of a curve that are compared first, and Newton steps from the nearest of them.
TRIED, STEPS = 16, 2


class Tiles(NamedTuple):
    """The tiles of an image: `rows` x `columns` tiles of `pixels` x `pixels`."""

    rows: int
    columns: int
    pixels: int

    @classmethod
    def of(cls, size: Size) -> Tiles:
        height, width = sides(size)
        pixels = max(LEAST_PIXELS, -(-max(height, width) // TILES))
        return cls(-(-height // pixels), -(-width // pixels), pixels)

    def corners(self, like: Tensor) -> Float[Tensor, "c 2"]:
        """The upper left corner of each tile, x and y in pixels."""
        down, across = (
            torch.arange(count, dtype=like.dtype, device=like.device) * self.pixels
            for count in (self.rows, self.columns)
        )
        y, x = torch.meshgrid(down, across, indexing="ij")
        return torch.stack([x, y], -1).flatten(0, 1)

    def centers(self, like: Tensor) -> Float[Tensor, "m 2"]:
        """The center of each pixel of a tile, relative to its corner."""
        line = torch.arange(self.pixels, dtype=like.dtype, device=like.device) + 0.5
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x, y], -1).flatten(0, 1)


def paint(
    points: Float[Tensor, "n s 4 2"],
    width: Float[Tensor, "n s"],
    color: Float[Tensor, "n s 4"],
    ground: Float[Tensor, "n 3"],
    size: Size,
) -> Float[Tensor, "n 3 h w"]:
    """Images of a size in pixels; later strokes lie over earlier ones.

    A stroke has round ends. Its opacity at a pixel is its alpha (the fourth of `color`, straight)
    times the share of the pixel's width that it covers, measured across the stroke. SVG viewers
    show the same up to the corners of pixels. Compositing is in sRGB, as in SVG.

    Differentiable in all tensors. The gradient for points and widths is nonzero where coverage is
    between 0 and 1, along the outline of one pixel. It treats the nearest point of the curve as
    constant; this is exact, since moving along the curve does not change the distance to first
    order.

    Args:
        points: control points, x to the right and y down, in pixels.
        width: in pixels, at least 0.
        color: red, green, blue and opacity in [0, 1].
        ground: the background color.
        size: pixels per side, or height and width.
    """
    n, s = width.shape
    tiles = Tiles.of(size)
    reached = _reached(points.detach(), width.detach(), tiles)
    sample, tile, stroke = reached.nonzero().unbind(1)
    which = sample * s + stroke
    control = points.flatten(0, 1).index_select(0, which)
    control = control - tiles.corners(points).index_select(0, tile)[:, None]
    distance = _distance(control, tiles.centers(points))
    chosen_width = width.flatten().index_select(0, which)[:, None]
    # The overlap of [-w/2, w/2] and the pixel [d - 1/2, d + 1/2]; thin strokes never cover it all.
    coverage = (chosen_width / 2 + 0.5 - distance).clamp_min(0)
    coverage = torch.minimum(coverage, chosen_width.clamp(0, 1))
    chosen_color = color.flatten(0, 1).index_select(0, which)
    alpha = chosen_color[:, 3:] * coverage
    image = _composite(alpha, chosen_color[:, :3], ground, reached)
    image = image.reshape(n, tiles.rows, tiles.columns, 3, tiles.pixels, tiles.pixels)
    image = image.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    rows, columns = sides(size)
    return image[..., :rows, :columns]


@torch.no_grad()
def _reached(
    points: Float[Tensor, "n s 4 2"], width: Float[Tensor, "n s"], tiles: Tiles
) -> Bool[Tensor, "n c s"]:
    """Whether a stroke may color a pixel of a tile; conservative: it may be true needlessly."""
    curve = _polynomial(points)
    steps = torch.linspace(0, 1, TRIED, dtype=points.dtype, device=points.device)
    points_on = [_along(curve, step) for step in steps]
    # Between two points, the distance of the curve from the center of their chord is at most half
    # the chord plus the largest second derivative (at an end, for a cubic) times the squared step
    # over 8.
    bend = torch.maximum(curve[2].norm(dim=-1), (curve[2] + 3 * curve[3]).norm(dim=-1)) * 2
    soft = width / 2 + 0.5 + bend / (TRIED - 1) ** 2 / 8
    half = tiles.pixels / 2
    centers = (tiles.corners(points) + half)[:, None]
    reached = torch.zeros(1, dtype=torch.bool, device=points.device)
    for first, second in pairwise(points_on):
        reach = soft + (second - first).norm(dim=-1) / 2
        away = ((first + second)[:, None] / 2 - centers).abs() - half
        x, y = away.clamp_min(0).unbind(-1)  # distances from the border of the tile
        reached = reached | (x * x + y * y <= reach[:, None].square())
    return reached


def _distance(
    control: Float[Tensor, "q 4 2"], pixels: Float[Tensor, "m 2"]
) -> Float[Tensor, "q m"]:
    """The distance of each pixel from the nearest point of the curve."""
    x, y = pixels.unbind(-1)
    curve = _polynomial(control)
    nearest = _nearest(curve.detach(), x, y)
    # Elementwise products and sums: the result of a sample must not depend on how a library batches
    # it with others.
    dx = _along_each(curve[..., 0], nearest) - x
    dy = _along_each(curve[..., 1], nearest) - y
    return (dx * dx + dy * dy + 1e-12).sqrt()  # a finite gradient at 0


@torch.no_grad()
def _nearest(
    curve: Float[Tensor, "4 q 2"], x: Float[Tensor, "m"], y: Float[Tensor, "m"]
) -> Float[Tensor, "q m"]:
    """The parameter in [0, 1] of the point of the curve nearest to each pixel."""
    best = torch.full((curve.shape[1], len(x)), torch.inf, dtype=x.dtype, device=x.device)
    where = torch.zeros_like(best)
    for index in range(TRIED):
        step = index / (TRIED - 1)
        point = ((curve[3] * step + curve[2]) * step + curve[1]) * step + curve[0]
        dx, dy = point[:, :1] - x, point[:, 1:] - y
        square = dx * dx + dy * dy
        where.masked_fill_(square < best, step)
        best = torch.minimum(best, square)
    low = (where - 1 / (TRIED - 1)).clamp_min(0)
    high = (where + 1 / (TRIED - 1)).clamp_max(1)
    slope = torch.stack([curve[1], 2 * curve[2], 3 * curve[3]])
    bend = torch.stack([2 * curve[2], 6 * curve[3]])
    for _ in range(STEPS):
        dx = _along_each(curve[..., 0], where) - x
        dy = _along_each(curve[..., 1], where) - y
        sx, sy = _along_each(slope[..., 0], where), _along_each(slope[..., 1], where)
        square = (sx * sx + sy * sy).clamp_min(1e-9)
        bx, by = _along_each(bend[..., 0], where), _along_each(bend[..., 1], where)
        # The second derivative of half the squared distance may be negative in a tight bend; the
        # Newton step is then shortened.
        second = torch.maximum(square + dx * bx + dy * by, square / 2)
        where = where - (dx * sx + dy * sy) / second
        where = torch.minimum(torch.maximum(where, low), high)
    return where


def _composite(
    alpha: Float[Tensor, "q m"],
    color: Float[Tensor, "q 3"],
    ground: Float[Tensor, "n 3"],
    reached: Bool[Tensor, "n c s"],
) -> Float[Tensor, "t 3 m"]:
    """Composites the strokes of each tile over the background, in their order."""
    counts = reached.sum(-1).flatten()
    t, depth = len(counts), int(counts.max())
    tile = torch.arange(t, device=alpha.device).repeat_interleave(counts)
    layer = torch.arange(len(tile), device=alpha.device) - (counts.cumsum(0) - counts)[tile]
    slot: Int[Tensor, "q"] = layer * t + tile
    alphas = alpha.new_zeros(depth * t, alpha.shape[1]).index_copy(0, slot, alpha)
    colors = color.new_zeros(depth * t, 3).index_copy(0, slot, color)
    image = ground.repeat_interleave(t // len(ground), 0)[:, :, None]
    image = image.expand(-1, -1, alpha.shape[1])
    layers = alphas.view(depth, t, 1, alpha.shape[1])
    for above, paint_color in zip(
        layers.unbind(0), colors.view(depth, t, 3, 1).unbind(0), strict=True
    ):
        image = image + above * (paint_color - image)
    return image


def _polynomial(control: Float[Tensor, "*q 4 2"]) -> Float[Tensor, "4 *q 2"]:
    """The coefficients of the curve for 1, t, t^2, t^3."""
    a, b, c, d = control.unbind(-2)
    return torch.stack([a, 3 * (b - a), 3 * (a - 2 * b + c), d - a + 3 * (b - c)])


def _along(curve: Float[Tensor, "k *q 2"], step: Tensor) -> Float[Tensor, "*q 2"]:
    value = curve[-1]
    for coefficient in reversed(curve[:-1].unbind(0)):
        value = value * step + coefficient
    return value


def _along_each(curve: Float[Tensor, "k q"], steps: Float[Tensor, "q m"]) -> Float[Tensor, "q m"]:
    """One coordinate of each curve, or of its derivative, at many parameters."""
    value = curve[-1][:, None]
    for coefficient in reversed(curve[:-1].unbind(0)):
        value = value * steps + coefficient[:, None]
    return value
