"""Deviation of per-face Jacobians from the identity."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.surface.scenes import mesh_scene
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext


class Rigidity(Loss):
    """Area-weighted mean squared deviation of per-face Jacobians from the identity.

        0.5 * sum over faces of  A |J - I|^2 / sum of A,    A the area of a face of the rest shape

    For meshes that are deformed through Jacobians, which have no unit, so that one weight suits
    meshes of any size. Differentiable in the Jacobians.

    Source: the regularizer of TextDeformer, Gao et al. 2023 (arXiv 2304.13348). Deviation: faces
    are weighted by area, so that the mean does not depend on how finely a part is meshed.
    """

    name = "rigidity"
    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0; 0 for the rest shape.

        Raises:
            InputError: images that are not of a mesh, or a mesh without Jacobians.
        """
        scene = mesh_scene(self, rendering)
        if scene.jacobians is None:
            raise InputError(
                "Rigidity: this mesh has no Jacobians; use this loss with DeformedMesh only"
            )
        a, b, c = (scene.rest_vertices[corner] for corner in scene.faces.unbind(1))
        area = torch.linalg.cross(b - a, c - a).norm(dim=-1)
        deviation = scene.jacobians - torch.eye(3).to(scene.jacobians)
        energy: Float[Tensor, "n"] = 0.5 * deviation.square().sum((-2, -1)) @ (area / area.sum())
        return energy
