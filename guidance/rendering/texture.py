"""Maps on a surface: where pixels see them, and what they see there, without aliasing.

A pixel that covers many texels sees their mean: maps are kept in halves of halves of their size
(mip levels), and each pixel looks into the two levels whose texels are nearest to its own size.

Source: Williams 1983, "Pyramidal Parametrics"; the choice of levels is that of OpenGL 4.6, section
8.14.1, without anisotropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.rendering.rasterizer.contract import Fragments
from guidance.rendering.rasterizer.reference import edge_functions

Pixels = Int[Tensor, "m"]


@dataclass(frozen=True)
class Seen:
    """What the `m` covered pixels of all images see; constants, since the shape stays."""

    picture: Pixels
    row: Pixels
    column: Pixels
    triangle: Pixels
    weights: Float[Tensor, "m 3"]  # of the triangle's corners
    uv: Float[Tensor, "m 2"]
    per_column: Float[Tensor, "m 2"]  # how much further the next column sees the maps
    per_row: Float[Tensor, "m 2"]

    def at_corners(
        self, values: Float[Tensor, "q c"], corners: Int[Tensor, "f 3"]
    ) -> Float[Tensor, "m c"]:
        """Values of corners, interpolated at the pixels."""
        found = values[corners.long()[self.triangle]]
        return (self.weights[..., None] * found).sum(1)


@torch.no_grad()
def see(fragments: Fragments, uv: Float[Tensor, "q 2"], face_uv: Int[Tensor, "f 3"]) -> Seen:
    """Texture coordinates at the centres of covered pixels, and their derivatives on the screen.

    With the edge functions e_i, which are linear on the screen, u = sum(e_i u_i) / sum(e_i); so
    du/dx = (sum(e_i' u_i) - u sum(e_i')) / sum(e_i), where e_i' is the step to the next column.
    """
    found = (fragments.triangles >= 0).nonzero(as_tuple=True)
    picture, row, column = found
    height, width = fragments.triangles.shape[1:]
    triangle = fragments.triangles[found].long()
    corners = fragments.clip_vertices[picture[:, None], fragments.faces.long()[triangle]]
    places = uv[face_uv.long()[triangle]]  # [m, 3, 2]
    weights = fragments.barycentrics[found]
    here = (weights[..., None] * places).sum(1)
    edges = edge_functions(corners, column, row, height, width)
    total = edges.sum(-1, keepdim=True)
    total = torch.where(total == 0, 1, total)
    steps = []
    for columns, rows in ((column + 1, row), (column, row + 1)):
        step = (edge_functions(corners, columns, rows, height, width) - edges) / total
        steps.append((step[..., None] * places).sum(1) - here * step.sum(-1, keepdim=True))
    return Seen(picture, row, column, triangle, weights, here, steps[0], steps[1])


@dataclass(frozen=True)
class Mipmaps:
    """Maps of `n` samples in halves of halves of their size, down to one texel."""

    texels: Float[Tensor, "n t c"]  # of all levels, the largest first
    sizes: tuple[tuple[int, int], ...]  # height, width of the levels

    @classmethod
    def of(cls, maps: Float[Tensor, "n c h w"]) -> Mipmaps:
        """Each level is the mean of the four texels above; of two or three at an odd border."""
        levels = [maps]
        while max(levels[-1].shape[-2:]) > 1:
            height, width = levels[-1].shape[-2:]
            kernel = (min(2, height), min(2, width))
            levels.append(F.avg_pool2d(levels[-1], kernel, ceil_mode=True, count_include_pad=False))
        sizes = tuple((level.shape[-2], level.shape[-1]) for level in levels)
        return cls(torch.cat([level.flatten(2) for level in levels], 2).mT.contiguous(), sizes)

    def level(
        self, per_column: Float[Tensor, "m 2"], per_row: Float[Tensor, "m 2"]
    ) -> Float[Tensor, "m"]:
        """log2 of the texels that lie between neighbouring pixels, in the direction with more."""
        height, width = self.sizes[0]
        scale = per_column.new_tensor([width, height])
        most = torch.maximum((per_column * scale).norm(dim=-1), (per_row * scale).norm(dim=-1))
        return most.clamp_min(1e-20).log2().clamp(0, len(self.sizes) - 1)

    def sample(self, seen: Seen, samples: Pixels) -> Float[Tensor, "m c"]:
        """What the pixels see of the maps of the sample that each belongs to.

        Bilinear in two levels, linear between them; maps repeat. Differentiable in the maps.
        """
        with torch.no_grad():
            index, weights = self._texels(seen, samples)
        return weighted_rows(self.texels.flatten(0, 1), index, weights)

    def _texels(
        self, seen: Seen, samples: Pixels
    ) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "m 8"]]:
        """Which eight texels each pixel sees, and by how much."""
        device = seen.uv.device
        sizes = torch.tensor(self.sizes, device=device)
        starts = sizes.prod(1).cumsum(0) - sizes.prod(1)
        level = self.level(seen.per_column, seen.per_row)
        low = level.floor().long()
        part = level - low
        indices, shares = [], []
        for which, share in ((low, 1 - part), ((low + 1).clamp_max(len(sizes) - 1), part)):
            height, width = sizes[which].unbind(-1)
            x, y = seen.uv[:, 0] * width - 0.5, seen.uv[:, 1] * height - 0.5
            left, top = x.floor().long(), y.floor().long()
            right, down = x - left, y - top
            base = samples * self.texels.shape[1] + starts[which]
            for row, of_row in ((top, 1 - down), (top + 1, down)):
                for column, of_column in ((left, 1 - right), (left + 1, right)):
                    indices.append(base + row % height * width + column % width)
                    shares.append(share * of_row * of_column)
        return torch.stack(indices, 1), torch.stack(shares, 1)


class _WeightedRows(torch.autograd.Function):
    """Sums of rows; torch's own backward sorts the indices first, which takes five times longer."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(index, weights)
        ctx.rows = len(table)
        return F.embedding_bag(index, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        index, weights = ctx.saved_tensors
        parts = (weights[..., None] * gradient[:, None]).flatten(0, 1)
        found = gradient.new_zeros(ctx.rows, gradient.shape[1])
        return found.index_add_(0, index.flatten(), parts), None, None


def weighted_rows(
    table: Float[Tensor, "t c"], index: Int[Tensor, "m k"], weights: Float[Tensor, "m k"]
) -> Float[Tensor, "m c"]:
    """Sums of `k` weighted rows of a table; differentiable in the table alone."""
    found: Tensor = _WeightedRows.apply(table, index, weights)  # type: ignore[no-untyped-call]
    return found
