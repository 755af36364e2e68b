"""From a mesh to images: transform, rasterize, light, and blend the silhouettes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene
from guidance.rendering.rasterizer.contract import (
    Fragments,
    Shading,
    antialias,
    interpolate,
    lambert,
    rasterize,
    vertex_normals,
)
from guidance.types import Rendering
from guidance.views import Cameras

#: The colour of a mesh without colours: bright enough that its shading can be seen.
GREY = 0.7


@dataclass(frozen=True)
class Paint:
    """Colours by a function of what is interpolated at each covered pixel, as a field's are.

    `function(values, samples)` takes `[m, c]` interpolated attributes of `m` pixels and the sample
    `[m]` that each belongs to, and gives their sRGB colours `[m, 3]` in [0, 1].
    """

    attributes: Float[Tensor, "n p c"]
    function: Callable[[Float[Tensor, "m c"], Int[Tensor, "m"]], Float[Tensor, "m 3"]]


def render_mesh(
    scene: MeshScene,
    cameras: Cameras,
    colors: Float[Tensor, "n p 3"] | Paint | None = None,
    shading: Shading | None = None,
) -> Rendering:
    """Images of `n` meshes from `v` cameras each, all at once, premultiplied, with alpha.

    Differentiable in the vertices (shading, place, silhouette) and in the colours.

    Args:
        scene: the vertices of all samples and their common faces.
        cameras: on the same device as the scene. Where they are textureless, colours do not show.
        colors: sRGB in [0, 1], one a vertex; or a `Paint`; or None for plain grey.
        shading: see `Shading`.

    Raises:
        InputError: sizes or devices do not fit.
    """
    shading = shading or Shading()
    vertices = scene.vertices
    n, v = cameras.light.shape[:2]
    if n != len(vertices):
        raise InputError(f"render_mesh: cameras for {n} samples, but {len(vertices)} meshes")
    if cameras.view.device != vertices.device:
        raise InputError(
            f"render_mesh: the cameras are on {cameras.view.device}, the meshes on "
            f"{vertices.device}; give Orbit the device"
        )
    if isinstance(colors, Paint) and colors.attributes.shape[:2] != vertices.shape[:2]:
        raise InputError(
            f"render_mesh: expected attributes to paint by for each vertex, "
            f"{list(vertices.shape[:2])}, got {list(colors.attributes.shape[:2])}"
        )
    if isinstance(colors, Tensor) and colors.shape != vertices.shape:
        raise InputError(
            f"render_mesh: expected a colour for each vertex, {list(vertices.shape)}, got "
            f"{list(colors.shape)}"
        )
    clip = to_clip(vertices, cameras)
    fragments = rasterize(clip, scene.faces, cameras.height, cameras.width, shading.backend)
    normals = vertex_normals(vertices, scene.faces, fragments.backend)
    light, ambient = _light(cameras, shading)
    plain = torch.full_like(vertices, 1.0 if isinstance(colors, Paint) else GREY)
    painted = colors if isinstance(colors, Tensor) else plain
    lit = lambert(fragments, normals, painted, light, shading, ambient=ambient)
    if isinstance(colors, Paint):
        lit = lit * F.pad(_paint(fragments, colors), (0, 1), value=1.0)
    if cameras.textureless is not None and colors is not None:
        if shading.bare == "normals":
            shape = colors_of_normals(fragments, normals, cameras)
        else:
            grey = torch.full_like(vertices, GREY)
            shape = lambert(fragments, normals, grey, light, shading, ambient=ambient)
        lit = torch.where(cameras.textureless.flatten()[:, None, None, None], shape, lit)
    pictures = antialias(lit, fragments).movedim(-1, 1)
    pictures = pictures.view(n, v, *pictures.shape[1:])
    image, alpha = torch.split(
        pictures, [3, 1], dim=2
    )  # backward joins them in one pass, unlike slices
    return Rendering(image, alpha, scene, cameras)


def to_clip(vertices: Float[Tensor, "n p 3"], cameras: Cameras) -> Float[Tensor, "b p 4"]:
    """Homogeneous clip coordinates in all views, `b` = n * v, sample by sample."""
    matrices = (cameras.projection @ cameras.view).mT  # [n, v, 4, 4], for rows of coordinates
    views = matrices.shape[1]
    turned = vertices @ matrices[:, :, :3].transpose(1, 2).flatten(2)  # [n, p, v * 4]
    clip = turned.view(*vertices.shape[:2], views, 4).transpose(1, 2) + matrices[:, :, 3:]
    return clip.flatten(0, 1).contiguous()


def colors_of_normals(
    fragments: Fragments, normals: Float[Tensor, "n p 3"], cameras: Cameras
) -> Float[Tensor, "b h w 4"]:
    """Normals as colours, and coverage: red to the right, green upwards, blue to the camera.

    Surfaces seen from behind are without blue. Differentiable in normals and vertices.
    """
    seen = F.normalize(interpolate(fragments, normals), dim=-1)
    turned = seen @ cameras.view[..., :3, :3].flatten(0, 1).mT[:, None]
    covered = (fragments.triangles >= 0)[..., None].to(seen)
    # Unit vectors may be longer by a rounding.
    colors = ((turned + 1) / 2).clamp(0, 1) * covered
    return torch.cat([colors, covered], -1)


def _light(
    cameras: Cameras, shading: Shading
) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b"] | None]:
    """The light of each image, as long as it is strong, and its ambient light if it varies."""
    light = cameras.light
    if cameras.strength is not None:
        light = light * cameras.strength[..., None]
    ambient = None
    if cameras.ambient is not None:
        ambient = (shading.ambient + cameras.ambient).clamp(0, 1).flatten()
    return light.flatten(0, 1), ambient


def _paint(fragments: Fragments, paint: Paint) -> Float[Tensor, "b h w 3"]:
    """The function's colours at covered pixels, 0 elsewhere."""
    values = interpolate(fragments, paint.attributes)
    pixels = (fragments.triangles >= 0).nonzero(as_tuple=True)
    samples = pixels[0] // (len(fragments.triangles) // len(paint.attributes))
    colors = paint.function(values[pixels], samples)
    return colors.new_zeros(*fragments.triangles.shape, 3).index_put(pixels, colors)
