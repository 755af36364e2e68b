"""Laplacian smoothness of mesh displacements."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.geometry.sparse import SparseMatrix
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
        self.of_shape, self._matrix = of_shape, CachedTable(_matrix)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: images that are not of a mesh.
        """
        scene = mesh_scene(self, rendering)
        rest = scene.rest_vertices[None]
        moved = vertex_rows(scene.vertices if self.of_shape else scene.vertices - rest)
        difference = self._matrix(scene) @ moved
        return difference.square().view(len(moved), -1, 3).sum(-1).mean(0)


def _matrix(
    start: Int[Tensor, "e"], stop: Int[Tensor, "e"], rest: Float[Tensor, "p 3"]
) -> SparseMatrix:
    """The uniform Laplacian divided by the mean of the rest edge lengths, [p, p]."""
    one, other = torch.cat([start, stop]), torch.cat([stop, start])
    length = edge_lengths(rest[None], start, stop).mean()
    share = 1 / (length * torch.bincount(one, minlength=len(rest)))  # infinite without neighbors
    inside = share.isfinite().nonzero()[:, 0]
    return SparseMatrix(
        torch.cat([inside, one]),
        torch.cat([inside, other]),
        torch.cat([(1 / length).expand(len(inside)), -share[one]]),
        (len(rest), len(rest)),
    )
