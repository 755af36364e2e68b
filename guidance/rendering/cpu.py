"""The contract on the CPU: numba's loops, made differentiable by hand.

The arithmetic of `guidance.rendering.reference`, in one pass a picture and without large tensors in
between. Work is spread over pictures and, where there are fewer than threads, over bands of rows;
each piece adds to gradients of its own, so that results do not depend on the threads' order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from guidance.geometry.topology import edge_sides
from guidance.rendering.loops import normals as normal_loops
from guidance.rendering.loops import silhouette, surface, visibility
from guidance.rendering.loops.kernel import spread
from guidance.rendering.rasterize import Fragments, Shading

Array = Any
#: Bands add one set of gradients each; beyond so many vertices of all sets there is one a picture.
MOST_VERTICES = 4_000_000


@dataclass(frozen=True)
class _Topology:
    """What loops need of a list of faces; computed once, since it stays the same through a run."""

    version: int
    faces: Array
    sides: tuple[Array, Array, Array, Array]  # edges, start, faces at edges, directions


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def _topology(faces: Int[Tensor, "f 3"]) -> _Topology:
    known: _Topology | None = _known.get(faces)
    if known is None or known.version != faces._version:
        sides = edge_sides(faces)
        arrays = (sides.edges, sides.start, sides.faces, sides.along)
        edges, start, owners, along = (tensor.int().numpy() for tensor in arrays)
        whole = faces.detach().int().contiguous().numpy()
        known = _Topology(faces._version, whole, (edges, start, owners, along.astype(np.int8)))
        _known[faces] = known
    return known


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def _bands(pictures: int, height: int, vertices: int = 0) -> list[tuple[int, tuple[int, int]]]:
    """Pieces of work: a picture and its first and last row (exclusive)."""
    count = min(height, -(-torch.get_num_threads() // pictures))
    if pictures * count * vertices > MOST_VERTICES:
        count = 1
    edges = [height * band // count for band in range(count + 1)]
    bands = list(zip(edges[:-1], edges[1:], strict=True))
    return [(picture, rows) for picture in range(pictures) for rows in bands]


def visible(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], object]:
    """The nearest face at each pixel, -1 for none, and its depth."""
    corners, whole = _numpy(clip), _topology(faces).faces
    screen = np.empty((*corners.shape[:2], 3), np.float64)
    fronts = np.empty((len(clip), len(whole)), np.int8)
    triangles = np.empty((len(clip), height, width), np.int32)
    depth = np.empty((len(clip), height, width), np.float32)
    bands = _bands(len(clip), height)

    def work(index: int) -> None:
        at, rows = bands[index]
        # Bands of one picture write the same places and fronts.
        visibility.place_on_screen(corners[at], height, width, screen[at])
        mesh = corners[at], screen[at], whole
        visibility.fill(mesh, rows, triangles[at], depth[at], fronts[at])

    spread(work, len(bands))
    return torch.from_numpy(triangles), torch.from_numpy(depth), (screen, fronts)


def barycentrics(fragments: Fragments) -> Float[Tensor, "b h w 3"]:
    """Perspective-correct weights of the vertices, 0 where no triangle is."""
    weights: Tensor = _Barycentrics.apply(fragments.clip_vertices, fragments)
    return weights


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "a p c"]
) -> Float[Tensor, "b h w c"]:
    """Attributes of vertices at each pixel, 0 where no triangle is."""
    values: Tensor = _Interpolate.apply(attributes, fragments.barycentrics, fragments)
    return values


def vertex_normals(
    vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"]
) -> Float[Tensor, "n p 3"]:
    """Area-weighted unit normals of vertices, zero where they have none."""
    normals: Tensor = _Normals.apply(vertices, _topology(faces).faces)
    return normals


def lambert(
    fragments: Fragments,
    normals: Float[Tensor, "n p 3"],
    colors: Float[Tensor, "n p 3"],
    lights: Float[Tensor, "b 3"],
    shading: Shading,
) -> Float[Tensor, "b h w 4"]:
    """Lit colours and coverage at each pixel."""
    scene = (fragments, _numpy(lights), (float(shading.ambient), bool(shading.two_sided)))
    planes: Tensor = _Lambert.apply(fragments.clip_vertices, normals, colors, scene)
    return planes.movedim(1, -1)


def antialias(color: Float[Tensor, "b h w c"], fragments: Fragments) -> Float[Tensor, "b h w c"]:
    """Blends pixels across silhouettes."""
    planes: Tensor = _Antialias.apply(color.movedim(-1, 1), fragments.clip_vertices, fragments)
    return planes.movedim(1, -1)


class _Barycentrics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, clip: Tensor, fragments: Fragments) -> Tensor:
        ctx.fragments = fragments
        corners, triangles = _numpy(clip), _numpy(fragments.triangles)
        faces = _topology(fragments.faces).faces
        out = np.zeros((*triangles.shape, 3), np.float32)
        bands = _bands(*triangles.shape[:2])

        def work(index: int) -> None:
            at, rows = bands[index]
            surface.barycentrics((corners[at], faces, triangles[at]), rows, out[at])

        spread(work, len(bands))
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> Any:  # type: ignore[override]
        corners = _numpy(ctx.fragments.clip_vertices)
        triangles, slope = _numpy(ctx.fragments.triangles), _numpy(slopes)
        faces = _topology(ctx.fragments.faces).faces
        bands = _bands(*triangles.shape[:2], corners.shape[1])
        to_clip = np.zeros((len(bands), *corners.shape[1:]), np.float32)

        def work(index: int) -> None:
            at, rows = bands[index]
            mesh = corners[at], faces, triangles[at]
            surface.barycentrics_backward(mesh, rows, slope[at], to_clip[index])

        spread(work, len(bands))
        return _sum(to_clip, len(corners)), None


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, attributes: Tensor, weights: Tensor, fragments: Fragments) -> Tensor:
        ctx.save_for_backward(attributes, weights)
        ctx.fragments = fragments
        values, shares, triangles = (_numpy(t) for t in (attributes, weights, fragments.triangles))
        faces, views = _topology(fragments.faces).faces, len(triangles) // len(values)
        out = np.zeros((*triangles.shape, values.shape[-1]), np.float32)

        def work(at: int) -> None:
            surface.interpolate(values[at // views], faces, triangles[at], shares[at], out[at])

        spread(work, len(triangles))
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> Any:  # type: ignore[override]
        values, shares = (_numpy(tensor) for tensor in ctx.saved_tensors)
        triangles, slope = _numpy(ctx.fragments.triangles), _numpy(slopes)
        faces, views = _topology(ctx.fragments.faces).faces, len(triangles) // len(values)
        to_values = np.zeros((len(triangles), *values.shape[1:]), np.float32)
        to_weights = np.zeros_like(shares)

        def work(at: int) -> None:
            picture, into = (faces, triangles[at], shares[at]), (to_values[at], to_weights[at])
            surface.interpolate_backward(values[at // views], picture, slope[at], *into)

        spread(work, len(triangles))
        return _sum(to_values, len(values)), torch.from_numpy(to_weights), None


class _Normals(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, faces: Array) -> Tensor:
        places = _numpy(vertices)
        sums, out = np.zeros_like(places), np.empty_like(places)
        spread(lambda at: normal_loops.normals(places[at], faces, sums[at], out[at]), len(places))
        ctx.save_for_backward(vertices)
        ctx.arrays = faces, sums
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> Any:  # type: ignore[override]
        places, slope = _numpy(ctx.saved_tensors[0]), _numpy(slopes)
        faces, sums = ctx.arrays
        room, out = np.empty_like(places), np.zeros_like(places)

        def work(at: int) -> None:
            arrays = places[at], faces, sums[at], slope[at], room[at], out[at]
            normal_loops.normals_backward(*arrays)

        spread(work, len(places))
        return torch.from_numpy(out), None


class _Lambert(torch.autograd.Function):
    """Colours in planes, `[b, 4, h, w]`."""

    @staticmethod
    def forward(ctx: Any, clip: Tensor, normals: Tensor, colors: Tensor, scene: Any) -> Tensor:
        ctx.save_for_backward(clip, normals, colors)
        ctx.scene = scene
        fragments, lights, terms = scene
        corners, directions, values = (_numpy(t) for t in (clip, normals, colors))
        triangles, faces = _numpy(fragments.triangles), _topology(fragments.faces).faces
        count, height, width = triangles.shape
        views = count // len(values)
        out = np.empty((count, 4, height, width), np.float32)
        bands = _bands(count, height)

        def work(index: int) -> None:
            at, rows = bands[index]
            sample = at // views
            mesh, paint = (corners[at], faces, triangles[at]), (directions[sample], values[sample])
            surface.lambert(mesh, rows, paint, (lights[at], *terms), out[at])

        spread(work, len(bands))
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> Any:  # type: ignore[override]
        fragments, lights, terms = ctx.scene
        corners, directions, values = (_numpy(tensor) for tensor in ctx.saved_tensors)
        triangles, faces = _numpy(fragments.triangles), _topology(fragments.faces).faces
        slope, views = _numpy(slopes), len(triangles) // len(values)
        bands = _bands(*triangles.shape[:2], corners.shape[1])
        to_clip, to_normals, to_colors = (
            np.zeros((len(bands), *array.shape[1:]), np.float32)
            for array in (corners, directions, values)
        )

        def work(index: int) -> None:
            at, rows = bands[index]
            sample = at // views
            mesh, paint = (corners[at], faces, triangles[at]), (directions[sample], values[sample])
            into = to_clip[index], to_normals[index], to_colors[index]
            surface.lambert_backward(mesh, rows, paint, (lights[at], *terms), slope[at], into)

        spread(work, len(bands))
        samples = len(values)
        found = _sum(to_normals, samples), _sum(to_colors, samples)
        return _sum(to_clip, len(corners)), *found, None


class _Antialias(torch.autograd.Function):
    """Colours in planes, `[b, c, h, w]`."""

    @staticmethod
    def forward(ctx: Any, color: Tensor, clip: Tensor, fragments: Fragments) -> Tensor:
        ctx.save_for_backward(color, clip)
        topology, depth = _topology(fragments.faces), _numpy(fragments.depth)
        corners, (screen, fronts) = _numpy(clip), fragments.kept
        planes = _numpy(color.flatten(2))
        out = np.empty_like(planes)

        def work(at: int) -> Array:
            mesh = corners[at], screen[at], topology.sides, fronts[at]
            blends = silhouette.find_blends(*mesh, depth[at])
            silhouette.blend(planes[at], *blends, out[at])
            return blends

        ctx.blends = spread(work, len(corners))
        return torch.from_numpy(out).view_as(color)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> Any:  # type: ignore[override]
        color, clip = ctx.saved_tensors
        size, corners = tuple(color.shape[2:]), _numpy(clip)
        planes, slope = (_numpy(tensor.flatten(2)) for tensor in (color, slopes))
        to_color, to_clip = np.empty_like(planes), np.zeros_like(corners)

        def work(at: int) -> None:
            picture = planes[at], corners[at], size, ctx.blends[at], slope[at]
            silhouette.blend_backward(*picture, to_color[at], to_clip[at])

        spread(work, len(corners))
        return torch.from_numpy(to_color).view_as(color), torch.from_numpy(to_clip), None


def _sum(pieces: Array, owners: int) -> Tensor:
    """Gradients of pieces of work, added up for the picture or sample that they belong to."""
    if len(pieces) == owners:
        return torch.from_numpy(pieces)
    return torch.from_numpy(pieces.reshape(owners, -1, *pieces.shape[1:]).sum(1))
