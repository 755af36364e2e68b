"""Antialiasing of silhouettes in plain torch, on any device."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.geometry.topology import edge_sides
from guidance.rendering.rasterizer.backend import Fragments
from guidance.rendering.rasterizer.cached import once_per_tensor
from guidance.rendering.rasterizer.screen import numbered, on_screen, orientation
from guidance.transfers import constant

#: The largest sum of blend weights at a pixel: below 1, so that rounding cannot leave the range.
MOST = 0.999


def antialias(color: Float[Tensor, "b h w c"], fragments: Fragments) -> Float[Tensor, "b h w c"]:
    """Blends pixels across silhouettes.

    An edge is a silhouette in an image if all of its faces lie on one side of it there. Take two
    neighboring pixels on either side of such an edge, the inner one on the side of the faces: in
    the same column if the edge is closer to horizontal, in the same row otherwise. Let s in [0, 1]
    be the position, counted from the center of the inner pixel, at which the edge crosses the line
    between their centers. For s > 1/2 the surface covers s - 1/2 of the outer pixel too; for
    s < 1/2 it leaves 1/2 - s of the inner one uncovered. That share of the other pixel's color is
    blended in. Weights that add up to more than 1 at a pixel are scaled down. Edges that are hidden
    by the surface at the outer pixel, or that extend behind the camera, are skipped.
    """
    height, width = color.shape[1:3]
    flat = color.flatten(0, 2)
    ends, side = _ends(fragments.clip_vertices, fragments.faces, height, width)
    total = fragments.saved
    if total is None:
        total = int(_stretch(ends.flatten(0, 1), side.flatten(), (width, height)).steps.sum())
    crossings = _crossings(ends, side, (width, height), total)
    inner, outer, part = crossings.inner, crossings.outer, crossings.part
    counts = crossings.inside & (crossings.depth <= fragments.depth.flatten()[outer])
    covers = part > 0.5
    targets, others = torch.where(covers, outer, inner), torch.where(covers, inner, outer)
    weights = torch.where(counts, (part - 0.5).abs(), 0)
    total = weights.new_zeros(len(flat)).index_add(0, targets, weights)
    weights = weights / (total / MOST).clamp_min(1)[targets]
    blends = weights[:, None] * (flat[others] - flat[targets])
    return flat.index_add(0, targets, blends).view_as(color)


def count_crossings(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> Int[Tensor, ""]:
    """How many lines between neighboring pixels `antialias` will look at."""
    ends, side = _ends(clip.detach(), faces, height, width)
    return _stretch(ends.flatten(0, 1), side.flatten(), (width, height)).steps.sum()


@dataclass(frozen=True)
class _Edges:
    """The distinct edges of a list of faces, and the edge, face and direction of each side."""

    ends: Int[Tensor, "e 2"]
    counts: Int[Tensor, "e"]  # sides of each edge
    owners: Int[Tensor, "s"]  # edge of each side
    faces: Int[Tensor, "s"]
    along: Int[Tensor, "s"]


@once_per_tensor
def _edges(faces: Int[Tensor, "f 3"]) -> _Edges:
    sides = edge_sides(faces)
    counts = sides.counts()
    owners = torch.repeat_interleave(counts)
    return _Edges(sides.edges, counts, owners, sides.faces, sides.along)


def _ends(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Float[Tensor, "b e 2 3"], Int[Tensor, "b e"]]:
    """The two ends of each edge in each image, and whether it is a silhouette there.

    An end is x and y in pixels, and the depth, which has no gradient. The second result is 1 for
    silhouettes whose faces lie to the right of the direction from the first end to the second, -1
    if they lie to the left, and 0 for other edges.
    """
    edges = _edges(faces)
    front = orientation(clip.detach()[:, faces.long()])
    sums = front.new_zeros(len(clip), len(edges.ends))
    sums.index_add_(1, edges.owners, front[:, edges.faces] * edges.along)
    ends = clip[:, edges.ends]  # [b, e, 2, 4]
    in_front = ends[..., 3] > 0
    depth = (ends[..., 2] / torch.where(in_front, ends[..., 3], 1)).detach()
    silhouette = (sums.abs() == edges.counts) & in_front.all(-1)
    # A front face is counterclockwise, so it lies to the left of its own edges.
    side = torch.where(silhouette, -sums.sign(), 0)
    return torch.cat([on_screen(ends, height, width), depth[..., None]], -1), side


@dataclass(frozen=True)
class _Crossings:
    """Where silhouettes cross the lines between the centers of two neighboring pixels."""

    inner: Int[Tensor, "m"]  # index of the pixel in the batch of images
    outer: Int[Tensor, "m"]
    part: Float[Tensor, "m"]  # s from the center of the inner pixel, see `antialias`
    depth: Float[Tensor, "m"]  # of the edge there
    inside: Bool[Tensor, "m"]  # whether both pixels are in the image; else they are arbitrary


@dataclass(frozen=True)
class _Stretch:
    """The lines that each edge crosses: `steps` columns or rows, from `low` on."""

    axis: Int[Tensor, "m"]  # the edge steps along x (0), or along y (1)
    low: Int[Tensor, "m"]
    steps: Int[Tensor, "m"]


def _stretch(
    ends: Float[Tensor, "m 2 3"], side: Int[Tensor, "m"], size: tuple[int, int]
) -> _Stretch:
    position = ends.detach()[..., :2]
    span = (position[:, 1] - position[:, 0]).abs()
    axis = (span[:, 1] > span[:, 0]).long()
    along = position.gather(2, axis[:, None, None].expand(-1, 2, 1))[..., 0]
    low = (along.amin(1) - 0.5).ceil().clamp_min(0).long()
    most = constant(size, ends.device)[axis]
    high = (along.amax(1) - 0.5).ceil().long().minimum(most)  # exclusive: ends count once
    return _Stretch(axis, low, torch.where(side != 0, (high - low).clamp_min(0), 0))


def _crossings(
    ends: Float[Tensor, "b e 2 3"], side: Int[Tensor, "b e"], size: tuple[int, int], total: int
) -> _Crossings:
    """Crossings of edges closer to horizontal with columns, and of other edges with rows."""
    images = torch.arange(len(ends), device=ends.device)[:, None].expand(side.shape).flatten()
    ends, side = ends.flatten(0, 1), side.flatten()
    stretch = _stretch(ends, side, size)
    sizes = constant(size, ends.device)
    ((edge, number),) = numbered(stretch.steps, total, sys.maxsize)

    axis, step = stretch.axis[edge], stretch.low[edge] + number
    start, stop = ends[edge].unbind(1)
    ahead, across = axis[:, None], 1 - axis[:, None]
    first, last = start.gather(1, ahead)[:, 0], stop.gather(1, ahead)[:, 0]
    where = (step + 0.5 - first) / (last - first)
    one, other = start.gather(1, across)[:, 0], stop.gather(1, across)[:, 0]
    cross = one + where * (other - one)
    lower = (cross.detach() - 0.5).floor()
    limit = sizes[1 - axis]
    inside = (lower >= 0) & (lower + 1 < limit)
    lower = lower.clamp_min(0).long().minimum(limit - 2).clamp_min(0)
    # The right side of a direction that points right is below it: the pixel in the higher row. The
    # right side of a direction that points down is to its left: the pixel in the lower column.
    forward = torch.where(last > first, 1, -1) * side[edge] * torch.where(axis == 0, 1, -1) > 0
    from_low = cross - (lower + 0.5)
    strides = constant((1, size[0]), ends.device)
    near = images[edge] * size[0] * size[1] + step * strides[axis] + lower * strides[1 - axis]
    far = torch.where(inside, near + strides[1 - axis], near)
    return _Crossings(
        inner=torch.where(forward, far, near),
        outer=torch.where(forward, near, far),
        part=torch.where(forward, 1 - from_low, from_low),
        depth=start[:, 2] + where.detach() * (stop[:, 2] - start[:, 2]),
        inside=inside,
    )
