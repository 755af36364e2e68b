"""Strokes along cubic Bezier curves, painted over one another, differentiable in all they are.

The image is cut into square tiles. Only the pairs of a stroke and a tile that it can reach are
worked on, so the cost follows the painted area, not strokes times pixels:

    strokes -> pairs (stroke, tile) -> nearest place on the curve of each pixel -> coverage
            -> lists of layers, one a tile -> painted from the lowest to the highest

Letters of this file: s strokes of a sample, c tiles of an image, t tiles of all samples, q pairs,
m pixels of a tile.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: Tiles along a side at most, and the least pixels of one. Measured with 512 strokes, both ways on
#: one core: 34 ms at 128 px (68 and 49 with tiles of 4 and 16 pixels), 298 ms at 512 px (452 with
#: 16 tiles a side).
TILES, LEAST_PIXELS = 32, 8
#: Places of a curve that are tried first; between them Newton's steps find the nearest.
TRIED, STEPS = 16, 2


class Tiles(NamedTuple):
    """How a square image is cut: `side` x `side` tiles of `pixels` x `pixels`."""

    side: int
    pixels: int

    @classmethod
    def of(cls, size: int) -> Tiles:
        pixels = max(LEAST_PIXELS, -(-size // TILES))
        return cls(-(-size // pixels), pixels)

    def corners(self, like: Tensor) -> Float[Tensor, "c 2"]:
        """The upper left corner of each tile, x and y in pixels."""
        line = torch.arange(self.side, dtype=like.dtype, device=like.device) * self.pixels
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x, y], -1).flatten(0, 1)

    def middles(self, like: Tensor) -> Float[Tensor, "m 2"]:
        """The middle of each pixel of a tile, from its corner."""
        line = torch.arange(self.pixels, dtype=like.dtype, device=like.device) + 0.5
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x, y], -1).flatten(0, 1)


def paint(
    points: Float[Tensor, "n s 4 2"],
    width: Float[Tensor, "n s"],
    color: Float[Tensor, "n s 4"],
    ground: Float[Tensor, "n 3"],
    size: int,
) -> Float[Tensor, "n 3 h w"]:
    """Images of `size` pixels a side; later strokes lie over earlier ones.

    A stroke has round ends. Its opacity at a pixel is its own (the fourth of `color`, straight)
    times the share of the pixel's width that it covers across the stroke, which is what a viewer
    of SVG files shows, up to the corners of pixels. Composition is in sRGB, as in SVG.

    Differentiable in everything. The gradient to points and width lives where coverage is between
    0 and 1, in a seam of one pixel along the outline. It treats the nearest place on the curve as
    fixed; that is exact, since the distance does not change to first order as that place moves.

    Args:
        points: control points, x to the right and y down, in pixels.
        width: in pixels, at least 0.
        color: red, green, blue and opacity in [0, 1].
        ground: colour under all strokes.
        size: pixels a side.
    """
    n, s = width.shape
    tiles = Tiles.of(size)
    reached = _reached(points.detach(), width.detach(), tiles)
    sample, tile, stroke = reached.nonzero().unbind(1)
    which = sample * s + stroke
    control = points.flatten(0, 1).index_select(0, which)
    control = control - tiles.corners(points).index_select(0, tile)[:, None]
    distance = _distance(control, tiles.middles(points))
    chosen_width = width.flatten().index_select(0, which)[:, None]
    # The overlap of [-w/2, w/2] with a pixel's [d - 1/2, d + 1/2]; thin strokes never fill it.
    coverage = (chosen_width / 2 + 0.5 - distance).clamp_min(0)
    coverage = torch.minimum(coverage, chosen_width.clamp(0, 1))
    chosen_color = color.flatten(0, 1).index_select(0, which)
    alpha = chosen_color[:, 3:] * coverage
    picture = _composite(alpha, chosen_color[:, :3], ground, reached)
    picture = picture.reshape(n, tiles.side, tiles.side, 3, tiles.pixels, tiles.pixels)
    picture = picture.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    return picture[..., :size, :size]


@torch.no_grad()
def _reached(
    points: Float[Tensor, "n s 4 2"], width: Float[Tensor, "n s"], tiles: Tiles
) -> Bool[Tensor, "n c s"]:
    """Whether a stroke can colour a pixel of a tile: never a false no, now and then a false yes."""
    curve = _polynomial(points)
    steps = torch.linspace(0, 1, TRIED, dtype=points.dtype, device=points.device)
    places = [_along(curve, step) for step in steps]
    # Between two places, the curve stays this close to their chord's middle: half the chord, and
    # the greatest second derivative (at an end, for a cubic) times the squared step over 8.
    bend = torch.maximum(curve[2].norm(dim=-1), (curve[2] + 3 * curve[3]).norm(dim=-1)) * 2
    soft = width / 2 + 0.5 + bend / (TRIED - 1) ** 2 / 8
    half = tiles.pixels / 2
    middles = (tiles.corners(points) + half)[:, None]
    reached = torch.zeros(1, dtype=torch.bool, device=points.device)
    for first, second in pairwise(places):
        reach = soft + (second - first).norm(dim=-1) / 2
        away = ((first + second)[:, None] / 2 - middles).abs() - half
        x, y = away.clamp_min(0).unbind(-1)  # from the tile's border
        reached = reached | (x * x + y * y <= reach[:, None].square())
    return reached


def _distance(
    control: Float[Tensor, "q 4 2"], pixels: Float[Tensor, "m 2"]
) -> Float[Tensor, "q m"]:
    """From each pixel to its nearest place on the curve."""
    x, y = pixels.unbind(-1)
    curve = _polynomial(control)
    nearest = _nearest(curve.detach(), x, y)
    # Plain products and sums, pair by pair: what a sample shows cannot depend on how a library
    # groups it with its neighbours.
    dx = _along_each(curve[..., 0], nearest) - x
    dy = _along_each(curve[..., 1], nearest) - y
    return (dx * dx + dy * dy + 1e-12).sqrt()  # a finite slope at 0


@torch.no_grad()
def _nearest(
    curve: Float[Tensor, "4 q 2"], x: Float[Tensor, "m"], y: Float[Tensor, "m"]
) -> Float[Tensor, "q m"]:
    """Where on the curve, in [0, 1], the nearest place of each pixel is."""
    best = torch.full((curve.shape[1], len(x)), torch.inf, dtype=x.dtype, device=x.device)
    where = torch.zeros_like(best)
    for index in range(TRIED):
        step = index / (TRIED - 1)
        place = ((curve[3] * step + curve[2]) * step + curve[1]) * step + curve[0]
        dx, dy = place[:, :1] - x, place[:, 1:] - y
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
        # Half the squared distance has this second derivative, which can turn negative within a
        # tight bend; Newton's steps are then shortened.
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
    """Paints each tile's pairs over the ground, in their order."""
    counts = reached.sum(-1).flatten()
    t, depth = len(counts), int(counts.max())
    tile = torch.arange(t, device=alpha.device).repeat_interleave(counts)
    layer = torch.arange(len(tile), device=alpha.device) - (counts.cumsum(0) - counts)[tile]
    slot: Int[Tensor, "q"] = layer * t + tile
    alphas = alpha.new_zeros(depth * t, alpha.shape[1]).index_copy(0, slot, alpha)
    colors = color.new_zeros(depth * t, 3).index_copy(0, slot, color)
    picture = ground.repeat_interleave(t // len(ground), 0)[:, :, None]
    picture = picture.expand(-1, -1, alpha.shape[1])
    layers = alphas.view(depth, t, 1, alpha.shape[1])
    for above, paint_color in zip(
        layers.unbind(0), colors.view(depth, t, 3, 1).unbind(0), strict=True
    ):
        picture = picture + above * (paint_color - picture)
    return picture


def _polynomial(control: Float[Tensor, "*q 4 2"]) -> Float[Tensor, "4 *q 2"]:
    """The curve as coefficients of 1, t, t^2, t^3."""
    a, b, c, d = control.unbind(-2)
    return torch.stack([a, 3 * (b - a), 3 * (a - 2 * b + c), d - a + 3 * (b - c)])


def _along(curve: Float[Tensor, "k *q 2"], step: Tensor) -> Float[Tensor, "*q 2"]:
    value = curve[-1]
    for coefficient in reversed(curve[:-1].unbind(0)):
        value = value * step + coefficient
    return value


def _along_each(curve: Float[Tensor, "k q"], steps: Float[Tensor, "q m"]) -> Float[Tensor, "q m"]:
    """One coordinate of each curve, or of its slope, at many places."""
    value = curve[-1][:, None]
    for coefficient in reversed(curve[:-1].unbind(0)):
        value = value * steps + coefficient[:, None]
    return value
