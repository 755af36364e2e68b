"""Laplacian smoothness of mesh displacements."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.geometry.topology import unique_edges
from guidance.losses.surface.scenes import _lengths, _Remembered, _rows, _scene
from guidance.types import Loss, Rendering, StepContext


class Laplacian(Loss):
    """Mean squared distance of each vertex's displacement from the mean of its neighbours'.

    With displacements u = (v - rest) / l, l the mean rest edge length, and neighbours N(i):
    mean over i of |u_i - mean of u_j, j in N(i)|^2. The uniform Laplacian; a shift of the whole
    mesh costs nothing. Source: Sorkine et al. 2004, Laplacian Surface Editing.

    Args:
        of_shape: measures the shape (v / l) itself instead of its displacement, which also
            smooths what the rest shape brings along.
    """

    reads_scene = True

    def __init__(self, of_shape: bool = False) -> None:
        super().__init__()
        self.of_shape, self._edges = of_shape, _Remembered(unique_edges)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0."""
        scene = _scene(self, rendering)
        rest = scene.rest_vertices[None]
        start, stop = self._edges(scene.faces)
        moved = _rows(scene.vertices if self.of_shape else scene.vertices - rest)
        moved = moved / _lengths(rest, start, stop).mean()
        sums = torch.zeros_like(moved)
        sums = sums.index_add(0, start, moved.index_select(0, stop))
        sums = sums.index_add(0, stop, moved.index_select(0, start))
        degree = torch.bincount(torch.cat([start, stop]), minlength=len(moved))[:, None]
        difference = torch.where(degree > 0, moved - sums / degree.clamp_min(1), 0)
        return difference.view(len(moved), -1, 3).square().sum(-1).mean(0)
