"""Images of meshes: transform, rasterize, shade, and antialias the silhouettes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene
from guidance.outputs import Rendering
from guidance.rendering.rasterizer.backend import Fragments
from guidance.rendering.rasterizer.contract import (
    antialias,
    interpolate,
    lambert,
    rasterize,
    vertex_normals,
)
from guidance.rendering.rasterizer.selection import BackendChoice
from guidance.views import Cameras

#: The color of a mesh without colors: bright enough that its shading is visible.
GREY = 0.7


@dataclass(frozen=True)
class Shading:
    """How surfaces are shaded: color * (ambient + (1 - ambient) * max(0, normal . light)).

    The product is computed with sRGB values, not with linear light: a fully lit surface shows its
    color, and dark sides keep the contrast that images have.
    """

    ambient: float = 0.5  # in [0, 1]; 1 shows the colors without any shading
    two_sided: bool = True  # back faces are shaded like front faces; else with ambient light only
    backend: BackendChoice = "auto"
    bare: Literal["grey", "normals"] = "grey"  # what textureless views show of the shape

    def __post_init__(self) -> None:
        if not 0 <= self.ambient <= 1:
            raise InputError(f"Shading: expected ambient light in [0, 1], got {self.ambient:g}")


@dataclass(frozen=True)
class Paint:
    """Colors computed at each covered pixel from interpolated attributes, e.g. by a color field.

    `function(values, samples)` takes the interpolated attributes `[m, c]` of `m` pixels and the
    sample index `[m]` of each, and returns sRGB colors `[m, 3]` in [0, 1].
    """

    attributes: Float[Tensor, "n p c"]
    function: Callable[[Float[Tensor, "m c"], Int[Tensor, "m"]], Float[Tensor, "m 3"]]


def render_mesh(
    scene: MeshScene,
    cameras: Cameras,
    colors: Float[Tensor, "n p 3"] | Paint | None = None,
    shading: Shading | None = None,
) -> Rendering:
    """Images of `n` meshes from `v` cameras each, in one batch, premultiplied, with alpha.

    Differentiable in the vertices (shading, position, silhouette) and in the colors.

    Args:
        scene: the vertices of all samples and their common faces.
        cameras: on the same device as the scene. Textureless views show no colors.
        colors: sRGB in [0, 1], one per vertex; or a `Paint`; or None for plain grey.
        shading: see `Shading`.

    Raises:
        InputError: sizes or devices do not match.
    """
    _check(scene, cameras, colors)
    shading = shading or Shading()
    vertices = scene.vertices
    n, v = cameras.light.shape[:2]
    clip = to_clip(vertices, cameras)
    fragments = rasterize(clip, scene.faces, cameras.height, cameras.width, shading.backend)
    normals = vertex_normals(vertices, scene.faces, fragments.backend.name)
    lights, ambient = _lights(cameras, shading)

    def shade(vertex_colors: Float[Tensor, "n p 3"]) -> Float[Tensor, "b h w 4"]:
        two_sided = shading.two_sided
        return lambert(
            fragments, normals, vertex_colors, lights, ambient=ambient, two_sided=two_sided
        )

    if isinstance(colors, Paint):
        shaded = shade(torch.ones_like(vertices))
        shaded = shaded * F.pad(_paint(fragments, colors), (0, 1), value=1.0)
    else:
        shaded = shade(torch.full_like(vertices, GREY) if colors is None else colors)
    if cameras.textureless is not None and colors is not None:
        if shading.bare == "normals":
            shape = normals_as_colors(fragments, normals, cameras)
        else:
            shape = shade(torch.full_like(vertices, GREY))
        shaded = torch.where(cameras.textureless.flatten()[:, None, None, None], shape, shaded)
    images = antialias(shaded, fragments).movedim(-1, 1)
    images = images.view(n, v, *images.shape[1:])
    # Unlike for slices, the backward pass of split writes both gradients in one pass.
    image, alpha = torch.split(images, [3, 1], dim=2)
    return Rendering(image, alpha, scene, cameras)


def to_clip(vertices: Float[Tensor, "n p 3"], cameras: Cameras) -> Float[Tensor, "b p 4"]:
    """Homogeneous clip coordinates in all views, `b` = n * v, sample by sample."""
    matrices = (cameras.projection @ cameras.view).mT  # [n, v, 4, 4], for row vectors
    views = matrices.shape[1]
    rotated = vertices @ matrices[:, :, :3].transpose(1, 2).flatten(2)  # [n, p, v * 4]
    clip = rotated.view(*vertices.shape[:2], views, 4).transpose(1, 2) + matrices[:, :, 3:]
    return clip.flatten(0, 1).contiguous()


def normals_as_colors(
    fragments: Fragments, normals: Float[Tensor, "n p 3"], cameras: Cameras
) -> Float[Tensor, "b h w 4"]:
    """View-space normals as colors, and coverage: red is right, green up, blue to the camera.

    On surfaces seen from behind, blue is below 0.5. Differentiable in normals and vertices.
    """
    normal = F.normalize(interpolate(fragments, normals), dim=-1)
    in_view = normal @ cameras.view[..., :3, :3].flatten(0, 1).mT[:, None]
    covered = (fragments.triangles >= 0)[..., None].to(normal)
    # Rounding can make unit vectors slightly longer than 1.
    colors = ((in_view + 1) / 2).clamp(0, 1) * covered
    return torch.cat([colors, covered], -1)


def _check(
    scene: MeshScene, cameras: Cameras, colors: Float[Tensor, "n p 3"] | Paint | None
) -> None:
    """Raises InputError if sizes or devices do not match."""
    vertices, n = scene.vertices, len(cameras.light)
    if n != len(vertices):
        raise InputError(
            f"render_mesh: expected cameras for {len(vertices)} meshes, got cameras for {n} samples"
        )
    if cameras.view.device != vertices.device:
        raise InputError(
            f"render_mesh: the cameras are on {cameras.view.device}, the meshes on "
            f"{vertices.device}; pass device={str(vertices.device)!r} to Orbit"
        )
    if isinstance(colors, Paint) and colors.attributes.shape[:2] != vertices.shape[:2]:
        raise InputError(
            f"render_mesh: expected Paint attributes for each vertex, "
            f"{list(vertices.shape[:2])}, got {list(colors.attributes.shape[:2])}"
        )
    if isinstance(colors, Tensor) and colors.shape != vertices.shape:
        raise InputError(
            f"render_mesh: expected a color for each vertex, {list(vertices.shape)}, got "
            f"{list(colors.shape)}"
        )


def _lights(
    cameras: Cameras, shading: Shading
) -> tuple[Float[Tensor, "b 3"], float | Float[Tensor, "b"]]:
    """The light vector of each image, scaled by its intensity, and the ambient light."""
    light = cameras.light
    if cameras.strength is not None:
        light = light * cameras.strength[..., None]
    if cameras.ambient is None:
        return light.flatten(0, 1), shading.ambient
    return light.flatten(0, 1), (shading.ambient + cameras.ambient).clamp(0, 1).flatten()


def _paint(fragments: Fragments, paint: Paint) -> Float[Tensor, "b h w 3"]:
    """The colors at covered pixels, 0 elsewhere."""
    values = interpolate(fragments, paint.attributes)
    pixels = (fragments.triangles >= 0).nonzero(as_tuple=True)
    samples = pixels[0] // (len(fragments.triangles) // len(paint.attributes))
    colors = paint.function(values[pixels], samples)
    return colors.new_zeros(*fragments.triangles.shape, 3).index_put(pixels, colors)
