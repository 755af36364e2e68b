"""Relative change of mesh edge lengths."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from guidance.losses.surface.scenes import CachedTable, edge_lengths, mesh_scene
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
        self._table = CachedTable(_table)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0; 0 for the rest shape.

        Raises:
            InputError: images that are not of a mesh.
        """
        scene = mesh_scene(self, rendering)
        table = self._table(scene)
        lengths = edge_lengths(scene.vertices, table.start, table.stop)
        return ((lengths - table.rest) / table.unit).square().mean(0)


@dataclass(frozen=True)
class _Table:
    """The edges of a mesh, their rest lengths, and these where they are not very short."""

    start: Int[Tensor, "e"]
    stop: Int[Tensor, "e"]
    rest: Float[Tensor, "e 1"]
    unit: Float[Tensor, "e 1"]


def _table(start: Int[Tensor, "e"], stop: Int[Tensor, "e"], rest: Float[Tensor, "p 3"]) -> _Table:
    lengths = edge_lengths(rest[None], start, stop)
    return _Table(start, stop, lengths, lengths.clamp_min(0.01 * lengths.mean()))
