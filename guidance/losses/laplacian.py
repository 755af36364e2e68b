"""Laplacian smoothness of mesh displacements."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.losses.surface.scenes import CachedTable, edge_lengths, mesh_scene, vertex_rows
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext


class Laplacian(Loss):
    """Mean squared uniform Laplacian of vertex displacements.

        mean over vertices i of  |u_i - mean over neighbors j of u_j|^2,    u = (v - rest) / l

    with the mean rest edge length l, so that one weight suits meshes of any size. A translation of
    the whole mesh costs nothing. Differentiable in the vertices.

    Source: Sorkine et al. 2004, Laplacian Surface Editing.

    Args:
        of_shape: uses the vertex positions, u = v / l, instead of the displacements, which also
            smooths the details of the rest shape.
    """

    name = "laplacian"
    reads_scene = True

    def __init__(self, of_shape: bool = False) -> None:
        super().__init__()
        self.of_shape, self._table = of_shape, CachedTable(_table)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: images that are not of a mesh.
        """
        scene = mesh_scene(self, rendering)
        table = self._table(scene)
        rest = scene.rest_vertices[None]
        moved = vertex_rows(scene.vertices if self.of_shape else scene.vertices - rest)
        moved = moved / table.length
        sums = torch.zeros_like(moved)
        sums = sums.index_add(0, table.start, moved.index_select(0, table.stop))
        sums = sums.index_add(0, table.stop, moved.index_select(0, table.start))
        difference = torch.where(table.degree > 0, moved - sums / table.degree.clamp_min(1), 0)
        return difference.view(len(moved), -1, 3).square().sum(-1).mean(0)


@dataclass(frozen=True)
class _Table:
    """The edges of a mesh, the mean of their rest lengths, and the degree of each vertex."""

    start: Int[Tensor, "e"]
    stop: Int[Tensor, "e"]
    length: Float[Tensor, ""]
    degree: Float[Tensor, "p 1"]


def _table(start: Int[Tensor, "e"], stop: Int[Tensor, "e"], rest: Float[Tensor, "p 3"]) -> _Table:
    ones = rest.new_ones(len(start), 1)
    degree = rest.new_zeros(len(rest), 1).index_add(0, start, ones).index_add(0, stop, ones)
    return _Table(start, stop, edge_lengths(rest[None], start, stop).mean(), degree)
