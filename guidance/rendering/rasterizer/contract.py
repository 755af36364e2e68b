"""The renderer's contract: rasterize -> interpolate or lambert -> antialias, on whichever backend.

    fragments = rasterize(clip_vertices, faces, height, width)
    colors = interpolate(fragments, vertex_colors)      # or lambert(...), which lights them too
    image = antialias(colors, fragments)

`b` images at once, each with its own vertices; all share one list of faces. Clip space is
OpenGL's, y up, and the first row of an image is its top. Only which triangle covers a pixel is
discrete. Where it lies within the triangle is differentiable (barycentrics), and so is how much of
a pixel a silhouette leaves uncovered (antialias).

Source: Laine et al. 2020, Modular Primitives for High-Performance Differentiable Rendering (arXiv
2011.03277). Deviation: silhouettes are found as edges of the mesh, not as differences between
neighbouring pixels' triangles; see `reference.antialias`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from guidance.errors import InputError

BackendName = Literal["cpu", "torch", "nvdiffrast"]
Choice = Literal["auto", "cpu", "torch", "nvdiffrast"]
_spans: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


@dataclass(frozen=True)
class Shading:
    """How surfaces are lit: colour * (ambient + (1 - ambient) * max(0, normal . light)).

    The product is taken of sRGB values as they are, not of linear light: a fully lit surface shows
    its colour, and dark sides keep the contrast that images have.
    """

    ambient: float = 0.5  # in [0, 1]; 1 shows the colours without any light
    two_sided: bool = True  # backs are lit as if they were fronts; else they get ambient light only
    backend: Choice = "auto"
    bare: Literal["grey", "normals"] = "grey"  # what textureless views show of the shape

    def __post_init__(self) -> None:
        if not 0 <= self.ambient <= 1:
            raise InputError(f"Shading: expected ambient light in [0, 1], got {self.ambient:g}")


@runtime_checkable
class Backend(Protocol):
    """What a backend implements; the functions below say what each one means."""

    def visible(
        self, clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
    ) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], object]: ...

    def barycentrics(self, fragments: Fragments) -> Float[Tensor, "b h w 3"]: ...

    def interpolate(
        self, fragments: Fragments, attributes: Float[Tensor, "a p c"]
    ) -> Float[Tensor, "b h w c"]: ...

    def vertex_normals(
        self, vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"]
    ) -> Float[Tensor, "n p 3"]: ...

    def lambert(
        self,
        fragments: Fragments,
        normals: Float[Tensor, "n p 3"],
        colors: Float[Tensor, "n p 3"],
        lights: Float[Tensor, "b 3"],
        shading: Shading,
        *,
        ambient: Float[Tensor, "b"] | None = None,
    ) -> Float[Tensor, "b h w 4"]: ...

    def antialias(
        self, color: Float[Tensor, "b h w c"], fragments: Fragments
    ) -> Float[Tensor, "b h w c"]: ...


@dataclass(frozen=True)
class Fragments:
    """What each pixel's centre sees first, and the geometry that it was made from."""

    triangles: Int[Tensor, "b h w"]  # index of the face, -1 where there is none
    depth: Float[Tensor, "b h w"]  # z / w in [-1, 1], 1 where there is none; no gradient
    clip_vertices: Float[Tensor, "b p 4"]
    faces: Int[Tensor, "f 3"]
    backend: BackendName
    kept: Any = field(default=None, repr=False)  # what the backend wants to find again

    @cached_property
    def barycentrics(self) -> Float[Tensor, "b h w 3"]:
        """Perspective-correct weights of the three vertices, 0 where no triangle is.

        Differentiable in the clip-space vertices; computed when first asked for.
        """
        return _load(self.backend).barycentrics(self)


def rasterize(
    clip_vertices: Float[Tensor, "b p 4"],
    faces: Int[Tensor, "f 3"],
    height: int,
    width: int,
    backend: Choice = "auto",
) -> Fragments:
    """Finds the nearest triangle at the centre of each pixel.

    Args:
        clip_vertices: homogeneous clip coordinates; triangles may reach behind the camera.
        faces: indices of vertices, the same in all images. Both sides of a face are seen.
        backend: "cpu" (numba), "torch" (slow, any device), "nvdiffrast" (CUDA, to be installed),
            or "auto": "cpu" for tensors on the CPU, if numba can be imported; on CUDA nvdiffrast
            where it is installed; else "torch".

    Raises:
        InputError: shapes, indices or device do not fit.
    """
    _check(clip_vertices, faces, height, width)
    name = choose_backend(backend, clip_vertices.device)
    with torch.no_grad():
        found = _load(name).visible(clip_vertices.detach(), faces, height, width)
    triangles, depth, kept = found
    return Fragments(triangles, depth, clip_vertices, faces, name, kept)


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "a p c"]
) -> Float[Tensor, "b h w c"]:
    """Attributes of vertices at each pixel's centre, 0 where no triangle is.

    Differentiable in the attributes and, through the barycentrics, in the vertices.

    Args:
        attributes: one set for each image (`a` = `b`), or one for each `b / a` images in a row,
            as the samples' colours are for all their views.
    """
    _fits(attributes, fragments, "interpolate: sets of attributes")
    return _load(fragments.backend).interpolate(fragments, attributes)


def vertex_normals(
    vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"], backend: Choice = "auto"
) -> Float[Tensor, "n p 3"]:
    """Unit normals of vertices: their faces' normals, weighted by area, added up.

    Vertices without a face, or whose faces cancel, get the zero vector and no gradient.

    Raises:
        InputError: indices or devices do not fit.
    """
    _check_faces(vertices, faces, "vertex_normals")
    return _load(choose_backend(backend, vertices.device)).vertex_normals(vertices, faces)


def lambert(
    fragments: Fragments,
    normals: Float[Tensor, "n p 3"],
    colors: Float[Tensor, "n p 3"],
    lights: Float[Tensor, "b 3"],
    shading: Shading,
    *,
    ambient: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, "b h w 4"]:
    """Lit colours at each pixel's centre, and 1 where a surface is; 0 elsewhere.

    Differentiable in normals, colours and, through the barycentrics, in the vertices.

    Args:
        normals, colors: of vertices, one set for each `b / n` images in a row.
        lights: directions towards the light, one an image, as long as it is strong (1).
        ambient: the ambient light of each image, in place of the shading's.
    """
    _fits(normals, fragments, "lambert: sets of normals")
    _fits(colors, fragments, "lambert: sets of colours")
    draw = _load(fragments.backend)
    return draw.lambert(fragments, normals, colors, lights, shading, ambient=ambient)


def antialias(color: Float[Tensor, "b h w c"], fragments: Fragments) -> Float[Tensor, "b h w c"]:
    """Blends the pixels at silhouettes by how much of them the edge leaves uncovered.

    Each result is a mean of the pixel and its neighbours, so ranges are kept. Differentiable in the
    colour and, through the place of the silhouette, in the vertices.

    Raises:
        InputError: the colours are not those of the fragments' pixels.
    """
    if color.shape[:3] != fragments.triangles.shape:
        raise InputError(
            f"antialias: expected a colour for each pixel, {list(fragments.triangles.shape)}, got "
            f"{list(color.shape[:3])}"
        )
    return _load(fragments.backend).antialias(color, fragments)


def choose_backend(backend: Choice, device: torch.device) -> BackendName:
    """What "auto" means for a device.

    Raises:
        InputError: an unknown backend, or one that cannot run on that device.
    """
    if backend not in get_args(Choice):
        raise InputError(f"backend {backend!r} is unknown; use {', '.join(get_args(Choice))}")
    if backend == "auto":
        if device.type == "cpu":
            return "cpu" if _numba_is_there() else "torch"
        if device.type == "cuda":
            from guidance.rendering.rasterizer.nvdiffrast import is_installed

            return "nvdiffrast" if is_installed() else "torch"
        return "torch"
    needed = {"cpu": "cpu", "nvdiffrast": "cuda"}.get(backend, device.type)
    if device.type != needed:
        raise InputError(
            f"backend {backend!r} runs on {needed}, but the vertices are on {device.type}; "
            f"move them, or use backend='auto'"
        )
    return backend


@cache
def _numba_is_there() -> bool:
    """Whether it can be imported; that it cannot is told once."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        reason = str(error).strip().splitlines()[0]
        warnings.warn(
            f"numba cannot be imported ({reason}), so meshes are rendered by torch alone, which is "
            "about ten times slower; `pip install numba` mends it",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def _load(name: BackendName) -> Backend:
    """The backend's module; numba and nvdiffrast are imported only when they are used."""
    if name == "cpu":
        from guidance.rendering.rasterizer import cpu

        return cpu
    if name == "nvdiffrast":
        from guidance.rendering.rasterizer import nvdiffrast

        return nvdiffrast
    from guidance.rendering.rasterizer import reference

    return reference


def _check(
    clip_vertices: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> None:
    if height < 1 or width < 1:
        raise InputError(f"rasterize: expected at least one pixel, got {height} x {width}")
    if clip_vertices.dtype != torch.float32:
        raise InputError(f"rasterize: expected float32 vertices, got {clip_vertices.dtype}")
    _check_faces(clip_vertices, faces, "rasterize")


def _check_faces(vertices: Float[Tensor, "n p c"], faces: Int[Tensor, "f 3"], what: str) -> None:
    """Compiled loops do not look where they read and write, so this is told before."""
    if faces.device != vertices.device:
        raise InputError(
            f"{what}: the faces are on {faces.device}, the vertices on {vertices.device}; "
            "move them to one device"
        )
    low, high = _span(faces)
    if low < 0 or high >= vertices.shape[1]:
        raise InputError(
            f"{what}: faces name vertices {low} to {high}, but there are {vertices.shape[1]}"
        )


def _span(faces: Int[Tensor, "f 3"]) -> tuple[int, int]:
    """Lowest and highest index; remembered, since faces stay the same through a run."""
    known: tuple[int, int, int] | None = _spans.get(faces, None)  # type: ignore[no-untyped-call]
    if known is None or known[0] != faces._version:
        low, high = (int(faces.min()), int(faces.max())) if len(faces) else (0, -1)
        _spans[faces] = known = (faces._version, low, high)
    return known[1:]


def _fits(sets: Float[Tensor, "a p c"], fragments: Fragments, what: str) -> None:
    pictures, vertices = fragments.clip_vertices.shape[:2]
    if len(sets) == 0 or pictures % len(sets):
        raise InputError(f"{what}: {len(sets)} cannot be shared out among {pictures} images")
    if sets.shape[1] != vertices:
        raise InputError(f"{what}: they are of {sets.shape[1]} vertices, but there are {vertices}")
