"""The eikonal equation for signed distances on a grid."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.surface.scenes import TINY, mesh_scene, per_mesh
from guidance.meshes import MeshScenes
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext


class Eikonal(Loss):
    """Mean over grid cells of (|gradient| - 1)^2 of signed distances.

    The distance to a surface has a gradient of length 1 everywhere. With this loss, values stay
    large far from the surface, so that no new surface appears there by chance. The gradient of a
    cell along each axis is the mean of the differences along its four edges. Differentiable in the
    distances.

    Source: implicit geometric regularization, Gropp et al. 2020 (arXiv 2002.10099). Deviation:
    finite differences over the whole grid instead of derivatives of a network at samples.
    """

    name = "eikonal"
    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: images that are not of a mesh, or a mesh without signed distances.
        """
        if isinstance(rendering.scene, MeshScenes):
            return per_mesh(self, rendering, context)
        values = mesh_scene(self, rendering).distances
        if values is None:
            raise InputError(
                "Eikonal: this mesh has no signed distances; use this loss with DMTet only"
            )
        slopes = [_edge_means(values.diff(dim=axis), {1, 2, 3} - {axis}) for axis in (1, 2, 3)]
        length = (torch.stack(slopes).square().sum(0) + TINY).sqrt()
        return (length - 1).square().flatten(1).mean(1)


def _edge_means(values: Tensor, axes: set[int]) -> Tensor:
    """Means of neighboring values along some axes."""
    for axis in axes:
        count = values.shape[axis] - 1
        values = (values.narrow(axis, 0, count) + values.narrow(axis, 1, count)) / 2
    return values
