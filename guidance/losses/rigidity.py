"""Deviation of per-face Jacobians from the identity."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.surface.scenes import _scene
from guidance.types import Loss, Rendering, StepContext


class Rigidity(Loss):
    """0.5 |J - I|^2, the mean over the rest shape's area, of meshes whose Jacobians are moved.

    Jacobians have no unit, so one weight suits meshes of any size.

    Source: the regularizer of TextDeformer (Gao et al., arXiv 2304.13348). Deviation: the mean is
    weighted by area, so that it does not depend on how finely a part is meshed.
    """

    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, 0 at rest.

        Raises:
            InputError: a mesh without Jacobians.
        """
        scene = _scene(self, rendering)
        if scene.jacobians is None:
            raise InputError("Rigidity: this mesh has no Jacobians; it goes with DeformedMesh only")
        a, b, c = (scene.rest_vertices[corner] for corner in scene.faces.unbind(1))
        area = torch.linalg.cross(b - a, c - a).norm(dim=-1)
        away = scene.jacobians - torch.eye(3).to(scene.jacobians)
        energy: Float[Tensor, "n"] = 0.5 * away.square().sum((-2, -1)) @ (area / area.sum())
        return energy
