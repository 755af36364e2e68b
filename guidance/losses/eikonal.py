"""The eikonal equation for signed distances on a grid."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.surface.scenes import TINY, _of_each, _scene
from guidance.meshes import MeshScenes
from guidance.types import Loss, Rendering, StepContext


class Eikonal(Loss):
    """Mean of (|gradient| - 1)^2 of signed distances, over the cells of their lattice.

    The distances from a surface have a gradient of length 1 everywhere. Kept so, they are large
    where no surface is near, and none appears there by chance. A cell's gradient is the mean of the
    differences along its four edges of each direction.

    Source: Gropp et al. 2020, Implicit Geometric Regularization (arXiv 2002.10099). Deviation:
    differences instead of derivatives, in the whole grid.
    """

    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: a mesh without distances.
        """
        if isinstance(rendering.scene, MeshScenes):
            return _of_each(self, rendering, context)
        values = _scene(self, rendering).distances
        if values is None:
            raise InputError("Eikonal: this mesh has no signed distances; it goes with DMTet only")
        slopes = [_midway(values.diff(dim=axis), {1, 2, 3} - {axis}) for axis in (1, 2, 3)]
        length = (torch.stack(slopes).square().sum(0) + TINY).sqrt()
        return (length - 1).square().flatten(1).mean(1)


def _midway(values: Tensor, axes: set[int]) -> Tensor:
    """Means of neighbours along some axes."""
    for axis in axes:
        count = values.shape[axis] - 1
        values = (values.narrow(axis, 0, count) + values.narrow(axis, 1, count)) / 2
    return values
