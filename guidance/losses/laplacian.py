"""Laplacian smoothness of mesh displacements."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.geometry.topology import unique_edges
from guidance.losses.surface.scenes import CachedPairs, edge_lengths, mesh_scene, vertex_rows
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
        self.of_shape, self._edges = of_shape, CachedPairs(unique_edges)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: images that are not of a mesh.
        """
        scene = mesh_scene(self, rendering)
        rest = scene.rest_vertices[None]
        start, stop = self._edges(scene.faces)
        moved = vertex_rows(scene.vertices if self.of_shape else scene.vertices - rest)
        moved = moved / edge_lengths(rest, start, stop).mean()
        sums = torch.zeros_like(moved)
        sums = sums.index_add(0, start, moved.index_select(0, stop))
        sums = sums.index_add(0, stop, moved.index_select(0, start))
        ones = moved.new_ones(len(start), 1)
        degree = moved.new_zeros(len(moved), 1).index_add(0, start, ones).index_add(0, stop, ones)
        difference = torch.where(degree > 0, moved - sums / degree.clamp_min(1), 0)
        return difference.view(len(moved), -1, 3).square().sum(-1).mean(0)
