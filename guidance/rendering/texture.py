"""Texture lookups: the UV coordinates of pixels, and trilinear filtering of texture maps.

Maps are stored as mip levels, each with half the size of the one before. A pixel that covers many
texels takes their mean, from the two levels whose texel size is closest to the pixel's.

Source: Williams 1983, "Pyramidal Parametrics"; the level is chosen as in OpenGL 4.6, section
8.14.1, without anisotropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.rendering.rasterizer.backend import Fragments
from guidance.rendering.rasterizer.screen import Centers, edge_functions
from guidance.transfers import constant

Pixels = Int[Tensor, "m"]


@dataclass(frozen=True)
class UVPixels:
    """The `m` covered pixels of all images with their UV coordinates; no gradient."""

    image: Pixels
    row: Pixels
    column: Pixels
    triangle: Pixels
    barycentrics: Float[Tensor, "m 3"]
    uv: Float[Tensor, "m 2"]
    per_column: Float[Tensor, "m 2"]  # derivative of uv in the direction of the next column
    per_row: Float[Tensor, "m 2"]

    @classmethod
    @torch.no_grad()
    def of(
        cls, fragments: Fragments, uv: Float[Tensor, "q 2"], face_uv: Int[Tensor, "f 3"]
    ) -> UVPixels:
        """UV coordinates at the centers of covered pixels, and their screen-space derivatives.

        With the edge functions e_i, which are linear in screen space,
        u = sum(e_i u_i) / sum(e_i). Hence du/dx = (sum(e_i' u_i) - u sum(e_i')) / sum(e_i), where
        e_i' is the difference to the next column.
        """
        covered = (fragments.triangles >= 0).nonzero(as_tuple=True)
        image, row, column = covered
        height, width = fragments.triangles.shape[1:]
        triangle = fragments.triangles[covered].long()
        corners = fragments.clip_vertices[image[:, None], fragments.faces.long()[triangle]]
        corner_uv = uv[face_uv.long()[triangle]]  # [m, 3, 2]
        weights = fragments.barycentrics[covered]
        here = (weights[..., None] * corner_uv).sum(1)
        edges = edge_functions(corners, Centers.of(column, row, height, width))
        total = edges.sum(-1, keepdim=True)
        total = torch.where(total == 0, 1, total)
        derivatives = []
        for columns, rows in ((column + 1, row), (column, row + 1)):
            shifted = Centers.of(columns, rows, height, width)
            step = (edge_functions(corners, shifted) - edges) / total
            change = (step[..., None] * corner_uv).sum(1) - here * step.sum(-1, keepdim=True)
            derivatives.append(change)
        return cls(image, row, column, triangle, weights, here, derivatives[0], derivatives[1])

    def interpolate(
        self, values: Float[Tensor, "q c"], corners: Int[Tensor, "f 3"]
    ) -> Float[Tensor, "m c"]:
        """Values of triangle corners, interpolated at the pixels."""
        found = values[corners.long()[self.triangle]]
        return (self.barycentrics[..., None] * found).sum(1)


@dataclass(frozen=True)
class Mipmaps:
    """The mip levels of the maps of `n` samples, down to one texel."""

    texels: Float[Tensor, "n t c"]  # of all levels, the largest first
    sizes: tuple[tuple[int, int], ...]  # height, width of the levels

    @classmethod
    def of(cls, maps: Float[Tensor, "n c h w"]) -> Mipmaps:
        """Each texel is the mean of four texels of the level before; of fewer at an odd border."""
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
        """log2 of the distance of neighboring pixels in texels, in the direction of the larger."""
        height, width = self.sizes[0]
        scale = constant((width, height), per_column.device, per_column.dtype)
        most = torch.maximum((per_column * scale).norm(dim=-1), (per_row * scale).norm(dim=-1))
        return most.clamp_min(1e-20).log2().clamp(0, len(self.sizes) - 1)

    def sample(self, pixels: UVPixels, samples: Pixels) -> Float[Tensor, "m c"]:
        """The filtered values at the pixels; differentiable in the maps.

        Trilinear: bilinear in two levels, and linear between them. Maps repeat.

        Args:
            samples: the sample that each pixel belongs to.
        """
        with torch.no_grad():
            index, weights = self._texels(pixels, samples)
        return weighted_rows(self.texels.flatten(0, 1), index, weights)

    def _texels(
        self, pixels: UVPixels, samples: Pixels
    ) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "m 8"]]:
        """The eight texels of each pixel and their weights."""
        device = pixels.uv.device
        sizes = constant(self.sizes, device)
        starts = sizes.prod(1).cumsum(0) - sizes.prod(1)
        level = self.level(pixels.per_column, pixels.per_row)
        low = level.floor().long()
        part = level - low
        indices, shares = [], []
        for which, share in ((low, 1 - part), ((low + 1).clamp_max(len(sizes) - 1), part)):
            height, width = sizes[which].unbind(-1)
            x, y = pixels.uv[:, 0] * width - 0.5, pixels.uv[:, 1] * height - 0.5
            left, top = x.floor().long(), y.floor().long()
            right, down = x - left, y - top
            base = samples * self.texels.shape[1] + starts[which]
            for row, row_weight in ((top, 1 - down), (top + 1, down)):
                for column, column_weight in ((left, 1 - right), (left + 1, right)):
                    indices.append(base + row % height * width + column % width)
                    shares.append(share * row_weight * column_weight)
        return torch.stack(indices, 1), torch.stack(shares, 1)


class _WeightedRows(torch.autograd.Function):
    """Sums of rows. The backward of torch sorts the indices, which takes five times longer."""

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
    """Weighted sums of `k` rows of a table; differentiable in the table only."""
    found: Tensor = _WeightedRows.apply(table, index, weights)  # type: ignore[no-untyped-call]
    return found
