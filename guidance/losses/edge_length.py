"""Relative change of mesh edge lengths."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.geometry.topology import unique_edges
from guidance.losses.surface.scenes import _lengths, _Remembered, _scene
from guidance.types import Loss, Rendering, StepContext


class EdgeLength(Loss):
    """Mean squared relative change of the edges: (length / rest length - 1)^2.

    Keeps triangles from collapsing and stretching. Rest edges shorter than a hundredth of their
    mean are measured against that, since dividing by them would drown all others.
    """

    reads_scene = True

    def __init__(self) -> None:
        super().__init__()
        self._edges = _Remembered(unique_edges)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, 0 at rest."""
        scene = _scene(self, rendering)
        edges = self._edges(scene.faces)
        rest = _lengths(scene.rest_vertices[None], *edges)
        unit = rest.clamp_min(0.01 * rest.mean())
        return ((_lengths(scene.vertices, *edges) - rest) / unit).square().mean(0)
