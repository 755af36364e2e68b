"""Agreement of the normals of adjacent faces."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.geometry.topology import face_pairs
from guidance.losses.surface.scenes import CachedPairs, mesh_scene, per_mesh, vertex_rows
from guidance.meshes import MeshScenes
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext


class NormalConsistency(Loss):
    """Mean of 1 - cos of the angle between the normals of adjacent faces.

    Faces must have consistent orientation. A flat surface costs 0, a surface folded onto itself 2.
    Degenerate faces have no normal and receive no gradient. Differentiable in the vertices.

    Source: `mesh_normal_consistency` of PyTorch3D (Ravi et al. 2020, arXiv 2007.08501).
    """

    reads_scene = True

    def __init__(self) -> None:
        super().__init__()
        self._pairs = CachedPairs(face_pairs)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 2].

        Raises:
            InputError: images that are not of a mesh.
        """
        if isinstance(rendering.scene, MeshScenes):
            return per_mesh(self, rendering, context)
        scene = mesh_scene(self, rendering)
        rows = vertex_rows(scene.vertices)
        a, b, c = (rows.index_select(0, corner) for corner in scene.faces.unbind(1))
        sides = (side.view(len(side), -1, 3) for side in (b - a, c - a))
        normals = F.normalize(torch.linalg.cross(*sides), dim=-1, eps=1e-12)
        one, other = (normals.index_select(0, faces) for faces in self._pairs(scene.faces))
        return (1 - (one * other).sum(-1)).mean(0)
