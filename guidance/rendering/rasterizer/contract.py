"""The differentiable renderer: rasterize -> interpolate or lambert -> antialias, on any backend.

    fragments = rasterize(clip_vertices, faces, height, width)
    colors = interpolate(fragments, vertex_colors)      # or lambert(...), which also shades them
    image = antialias(colors, fragments)

Renders `b` images at once, each with its own vertices; all share one list of faces. Clip space is
that of OpenGL, with y up; the first row of an image is its top. Which triangle covers a pixel is
discrete. The position within the triangle (barycentric coordinates) is differentiable, and so is
the coverage of pixels at silhouettes (`antialias`).

Source: Laine et al. 2020, Modular Primitives for High-Performance Differentiable Rendering (arXiv
2011.03277). Deviation: silhouettes are found as edges of the mesh, not as differences between the
triangles of neighboring pixels; see `silhouettes.antialias`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.rendering.rasterizer.backend import Fragments
from guidance.rendering.rasterizer.cached import once_per_tensor
from guidance.rendering.rasterizer.selection import BackendChoice, choose_backend, load_backend


def rasterize(
    clip_vertices: Float[Tensor, "b p 4"],
    faces: Int[Tensor, "f 3"],
    height: int,
    width: int,
    backend: BackendChoice = "auto",
) -> Fragments:
    """Finds the nearest triangle at the center of each pixel.

    Args:
        clip_vertices: homogeneous clip coordinates; triangles may extend behind the camera.
        faces: vertex indices, the same in all images. Both sides of a face are visible.
        backend: "cpu" (numba), "torch" (slow, any device), "nvdiffrast" (CUDA, installed
            separately), or "auto": on the CPU "cpu" if numba can be imported, on CUDA
            "nvdiffrast" if it is installed, otherwise "torch".

    Raises:
        InputError: shapes, indices or devices do not match.
    """
    if height < 1 or width < 1:
        raise InputError(f"rasterize: expected at least one pixel, got {height} x {width}")
    if clip_vertices.dtype != torch.float32:
        raise InputError(f"rasterize: expected float32 vertices, got {clip_vertices.dtype}")
    _check_faces(clip_vertices, faces, "rasterize")
    chosen = load_backend(choose_backend(backend, clip_vertices.device))
    with torch.no_grad():
        triangles, depth, saved = chosen.visible(clip_vertices.detach(), faces, height, width)
    return Fragments(triangles, depth, clip_vertices, faces, chosen, saved)


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "a p c"]
) -> Float[Tensor, "b h w c"]:
    """Vertex attributes at the center of each pixel, 0 for background.

    Differentiable in the attributes and, through the barycentric coordinates, in the vertices.

    Args:
        attributes: one set for each image (`a` = `b`), or one for each `b / a` consecutive images,
            such as the colors of a sample that all its views share.

    Raises:
        InputError: the number of sets or of vertices does not match.
    """
    _check_sets(attributes, fragments, "interpolate: attributes")
    return fragments.backend.interpolate(fragments, attributes)


def vertex_normals(
    vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"], backend: BackendChoice = "auto"
) -> Float[Tensor, "n p 3"]:
    """Unit vertex normals: the normalized sum of the adjacent face normals, weighted by area.

    Vertices without a face, or whose face normals cancel, get the zero vector and no gradient.

    Raises:
        InputError: indices or devices do not match.
    """
    _check_faces(vertices, faces, "vertex_normals")
    chosen = load_backend(choose_backend(backend, vertices.device))
    return chosen.vertex_normals(vertices, faces)


def lambert(
    fragments: Fragments,
    normals: Float[Tensor, "n p 3"],
    colors: Float[Tensor, "n p 3"],
    lights: Float[Tensor, "b 3"],
    *,
    ambient: float | Float[Tensor, "b"] = 0.5,
    two_sided: bool = True,
) -> Float[Tensor, "b h w 4"]:
    """Shaded color and coverage at the center of each pixel: RGB and 1 on a surface, 0 elsewhere.

    A color is multiplied by `ambient + (1 - ambient) * max(0, normal . light)`. Differentiable in
    normals, colors and, through the barycentric coordinates, in the vertices.

    Args:
        normals, colors: of the vertices, one set for each `b / n` consecutive images.
        lights: vectors towards the light, one per image; their length is its intensity.
        ambient: ambient light in [0, 1], one value for all images or one per image.
        two_sided: shades back faces like front faces; otherwise they get ambient light only.

    Raises:
        InputError: the number of sets or of vertices does not match.
    """
    _check_sets(normals, fragments, "lambert: normals")
    _check_sets(colors, fragments, "lambert: colors")
    return fragments.backend.lambert(fragments, normals, colors, lights, ambient, two_sided)


def antialias(color: Float[Tensor, "b h w c"], fragments: Fragments) -> Float[Tensor, "b h w c"]:
    """Blends pixels at silhouettes with their neighbors, by the area that the edge leaves free.

    Each result is a convex combination of the pixel and its neighbors, so it stays within their
    range. Differentiable in the color and, through the position of the silhouette, in the
    vertices.

    Raises:
        InputError: the image size does not match the fragments.
    """
    if color.shape[:3] != fragments.triangles.shape:
        raise InputError(
            f"antialias: expected a color for each pixel, {list(fragments.triangles.shape)}, got "
            f"{list(color.shape[:3])}"
        )
    return fragments.backend.antialias(color, fragments)


def _check_faces(vertices: Float[Tensor, "n p c"], faces: Int[Tensor, "f 3"], what: str) -> None:
    """Checks indices and devices: compiled kernels do not check the bounds of their arrays."""
    if faces.device != vertices.device:
        raise InputError(
            f"{what}: the faces are on {faces.device}, the vertices on {vertices.device}; "
            "move them to one device"
        )
    low, high = _index_range(faces)
    if low < 0 or high >= vertices.shape[1]:
        raise InputError(
            f"{what}: expected vertex indices from 0 to {vertices.shape[1] - 1} in the faces, got "
            f"{low} to {high}"
        )


@once_per_tensor
def _index_range(faces: Int[Tensor, "f 3"]) -> tuple[int, int]:
    """Lowest and highest vertex index."""
    return (int(faces.min()), int(faces.max())) if len(faces) else (0, -1)


def _check_sets(sets: Float[Tensor, "a p c"], fragments: Fragments, what: str) -> None:
    images, vertices = fragments.clip_vertices.shape[:2]
    if len(sets) == 0 or images % len(sets):
        raise InputError(
            f"{what}: expected a number of sets that divides the {images} images, got {len(sets)}"
        )
    if sets.shape[1] != vertices:
        raise InputError(
            f"{what}: expected one for each of {vertices} vertices, got {sets.shape[1]}"
        )
