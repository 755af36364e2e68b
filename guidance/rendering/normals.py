"""How the surface behind a rendering lies: images of its normals, as the cameras see them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene, MeshScenes
from guidance.rendering.rasterizer.contract import antialias, rasterize, vertex_normals
from guidance.rendering.several import of_sample
from guidance.rendering.shading import colors_of_normals, to_clip
from guidance.types import Rendering
from guidance.views import Cameras


@torch.no_grad()
def show_normals(rendering: Rendering) -> Float[Tensor, "n v 3 h w"]:
    """Colours of normals over white: red to the right, green upwards, blue towards the camera.

    Surfaces seen from behind are without blue, so that faces that were turned over show.

    Raises:
        InputError: no mesh or no cameras behind the rendering.
    """
    scene, cameras = rendering.scene, rendering.cameras
    if cameras is None or not isinstance(scene, MeshScene | MeshScenes):
        raise InputError("show_normals: expected images of a mesh with their cameras")
    if isinstance(scene, MeshScene):
        return _shown(scene, cameras)
    alone = enumerate(scene.meshes)
    return torch.cat([_shown(mesh, of_sample(cameras, sample)) for sample, mesh in alone])


def _shown(scene: MeshScene, cameras: Cameras) -> Float[Tensor, "n v 3 h w"]:
    n, v = cameras.light.shape[:2]
    vertices = scene.vertices.contiguous()
    fragments = rasterize(to_clip(vertices, cameras), scene.faces, cameras.height, cameras.width)
    normals = vertex_normals(vertices, scene.faces, fragments.backend)
    colors = antialias(colors_of_normals(fragments, normals, cameras), fragments)
    pictures = (colors[..., :3] + 1 - colors[..., 3:]).clamp(0, 1).movedim(-1, 1)
    return pictures.reshape(n, v, *pictures.shape[1:])
