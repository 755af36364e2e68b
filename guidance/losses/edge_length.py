"""Relative change of mesh edge lengths."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.geometry.topology import unique_edges
from guidance.losses.surface.scenes import CachedPairs, edge_lengths, mesh_scene
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext


class EdgeLength(Loss):
    """Mean squared relative change of edge lengths.

        mean over edges of (length / rest length - 1)^2

    It keeps triangles from collapsing and stretching. Rest lengths below a hundredth of their mean
    are replaced by that value in the denominator, so that very short edges do not dominate.
    Differentiable in the vertices.

    Source: `mesh_edge_loss` of PyTorch3D (Ravi et al. 2020, arXiv 2007.08501). Deviation: each edge
    has its own target, its rest length, and the change is relative to it.
    """

    reads_scene = True

    def __init__(self) -> None:
        super().__init__()
        self._edges = CachedPairs(unique_edges)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0; 0 for the rest shape.

        Raises:
            InputError: images that are not of a mesh.
        """
        scene = mesh_scene(self, rendering)
        edges = self._edges(scene.faces)
        rest = edge_lengths(scene.rest_vertices[None], *edges)
        unit = rest.clamp_min(0.01 * rest.mean())
        return ((edge_lengths(scene.vertices, *edges) - rest) / unit).square().mean(0)
