"""Images of the normals of a rendered mesh."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene, MeshScenes
from guidance.outputs import Rendering
from guidance.rendering.heterogeneous import of_sample
from guidance.rendering.rasterizer.contract import antialias, rasterize, vertex_normals
from guidance.rendering.shading import normals_as_colors, to_clip
from guidance.views import Cameras


@torch.no_grad()
def show_normals(rendering: Rendering) -> Float[Tensor, "n v 3 h w"]:
    """View-space normals as colors over white: red is right, green up, blue to the camera.

    Blue is below 0.5 on surfaces seen from behind, which makes inverted faces visible.

    Raises:
        InputError: the rendering has no mesh or no cameras.
    """
    scene, cameras = rendering.scene, rendering.cameras
    if cameras is None or not isinstance(scene, MeshScene | MeshScenes):
        raise InputError("show_normals: expected a rendering of a mesh with its cameras")
    if isinstance(scene, MeshScene):
        return _normal_images(scene, cameras)
    samples = enumerate(scene.meshes)
    return torch.cat([_normal_images(mesh, of_sample(cameras, i)) for i, mesh in samples])


def _normal_images(scene: MeshScene, cameras: Cameras) -> Float[Tensor, "n v 3 h w"]:
    n, v = cameras.light.shape[:2]
    vertices = scene.vertices.contiguous()
    fragments = rasterize(to_clip(vertices, cameras), scene.faces, cameras.height, cameras.width)
    normals = vertex_normals(vertices, scene.faces, fragments.backend.name)
    colors = antialias(normals_as_colors(fragments, normals, cameras), fragments)
    images = (colors[..., :3] + 1 - colors[..., 3:]).clamp(0, 1).movedim(-1, 1)
    return images.reshape(n, v, *images.shape[1:])
