"""The CPU backend's operations with their gradients: what torch asks for, from numba's loops.

None of them can be differentiated twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from guidance.rendering.rasterizer.loops import normals as normal_loops
from guidance.rendering.rasterizer.loops import silhouette, surface
from guidance.rendering.rasterizer.loops.kernel import spread
from guidance.rendering.rasterizer.loops.prepare import Array, add_up, arrays, bands, topology


class Barycentrics(torch.autograd.Function):
    """Clip coordinates `[b, p, 4]` to weights `[b, h, w, 3]`."""

    @staticmethod
    def forward(ctx: Any, clip: Tensor, triangles: Tensor, faces: Tensor) -> Tensor:
        ctx.save_for_backward(clip, triangles, faces)
        (corners, seen), whole = arrays(clip, triangles), topology(faces).faces
        out = np.zeros((*seen.shape, 3), np.float32)
        pieces = bands(len(seen), seen.shape[1])

        def work(index: int) -> None:
            at, rows = pieces[index]
            surface.barycentrics((corners[at], whole, seen[at]), rows, out[at])

        spread(work, len(pieces))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Any:
        clip, triangles, faces = ctx.saved_tensors
        (corners, seen, slope), whole = arrays(clip, triangles, slopes), topology(faces).faces
        pieces = bands(len(seen), seen.shape[1], corners.shape[1])
        to_clip = np.zeros((len(pieces), *corners.shape[1:]), np.float32)

        def work(index: int) -> None:
            at, rows = pieces[index]
            mesh = corners[at], whole, seen[at]
            surface.barycentrics_backward(mesh, rows, slope[at], to_clip[index])

        spread(work, len(pieces))
        return add_up(to_clip, len(corners)), None, None


class Interpolate(torch.autograd.Function):
    """Attributes `[a, p, c]` and weights `[b, h, w, 3]` to values `[b, h, w, c]`."""

    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, weights: Tensor, triangles: Tensor, faces: Tensor
    ) -> Tensor:
        ctx.save_for_backward(attributes, weights, triangles, faces)
        values, shares, seen = arrays(attributes, weights, triangles)
        whole, views = topology(faces).faces, len(seen) // len(values)
        out = np.zeros((*seen.shape, values.shape[-1]), np.float32)

        def work(at: int) -> None:
            surface.interpolate(values[at // views], whole, seen[at], shares[at], out[at])

        spread(work, len(seen))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Any:
        attributes, weights, triangles, faces = ctx.saved_tensors
        values, shares, seen, slope = arrays(attributes, weights, triangles, slopes)
        whole, views = topology(faces).faces, len(seen) // len(values)
        to_values = np.zeros((len(seen), *values.shape[1:]), np.float32)
        to_weights = np.zeros_like(shares)

        def work(at: int) -> None:
            picture, into = (whole, seen[at], shares[at]), (to_values[at], to_weights[at])
            surface.interpolate_backward(values[at // views], picture, slope[at], *into)

        spread(work, len(seen))
        return add_up(to_values, len(values)), torch.from_numpy(to_weights), None, None


class Normals(torch.autograd.Function):
    """Vertices `[n, p, 3]` to their unit normals."""

    @staticmethod
    def forward(ctx: Any, vertices: Tensor, faces: Tensor) -> Tensor:
        (places,), whole = arrays(vertices), topology(faces).faces
        sums, out = np.zeros_like(places), np.empty_like(places)
        spread(lambda at: normal_loops.normals(places[at], whole, sums[at], out[at]), len(places))
        ctx.save_for_backward(vertices, faces)
        ctx.sums = sums
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Any:
        vertices, faces = ctx.saved_tensors
        (places, slope), whole = arrays(vertices, slopes), topology(faces).faces
        room, out = np.empty_like(places), np.zeros_like(places)

        def work(at: int) -> None:
            mesh = places[at], whole, ctx.sums[at]
            normal_loops.normals_backward(mesh, slope[at], room[at], out[at])

        spread(work, len(places))
        return torch.from_numpy(out), None


class Lambert(torch.autograd.Function):
    """Clip coordinates, normals and colours of vertices to lit colours in planes, `[b, 4, h, w]`.

    `scene`: the face at each pixel, faces, lights; and each image's ambient light, with whether
    backs are lit.
    """

    @staticmethod
    def forward(ctx: Any, clip: Tensor, normals: Tensor, colors: Tensor, scene: Any) -> Tensor:
        triangles, faces, lights, (around, two_sided) = scene
        ctx.save_for_backward(clip, normals, colors, triangles, faces, lights)
        ctx.around, ctx.two_sided = around, two_sided
        corners, directions, values, seen, lamps = arrays(clip, normals, colors, triangles, lights)
        whole, views = topology(faces).faces, len(seen) // len(values)
        out = np.empty((len(seen), 4, *seen.shape[1:]), np.float32)
        pieces = bands(len(seen), seen.shape[1])

        def work(index: int) -> None:
            at, rows = pieces[index]
            mesh, sample = (corners[at], whole, seen[at]), at // views
            paint = directions[sample], values[sample]
            lamp = lamps[at], float(around[at]), two_sided
            surface.lambert(mesh, rows, paint, lamp, out[at])

        spread(work, len(pieces))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Any:
        clip, normals, colors, triangles, faces, lights = ctx.saved_tensors
        corners, directions, values = arrays(clip, normals, colors)
        seen, lamps, slope = arrays(triangles, lights, slopes)
        whole, views = topology(faces).faces, len(seen) // len(values)
        pieces = bands(len(seen), seen.shape[1], corners.shape[1])
        to_clip, to_normals, to_colors = (
            np.zeros((len(pieces), *array.shape[1:]), np.float32)
            for array in (corners, directions, values)
        )

        def work(index: int) -> None:
            at, rows = pieces[index]
            mesh, sample = (corners[at], whole, seen[at]), at // views
            paint = directions[sample], values[sample]
            lamp = lamps[at], float(ctx.around[at]), ctx.two_sided
            into = to_clip[index], to_normals[index], to_colors[index]
            surface.lambert_backward(mesh, rows, paint, lamp, (slope[at], into))

        spread(work, len(pieces))
        samples = len(values)
        found = add_up(to_normals, samples), add_up(to_colors, samples)
        return add_up(to_clip, len(corners)), *found, None


class Antialias(torch.autograd.Function):
    """Colours in planes `[b, c, h, w]` and clip coordinates to blended colours.

    `scene`: faces, the depth at each pixel, and what `cpu.visible` kept.
    """

    @staticmethod
    def forward(ctx: Any, color: Tensor, clip: Tensor, scene: Any) -> Tensor:
        ctx.save_for_backward(color, clip)
        faces, depth, (screen, fronts) = scene
        sides = topology(faces).sides
        corners, planes, depths = arrays(clip, color, depth)
        out = np.empty_like(planes)

        def work(at: int) -> Array:
            mesh = corners[at], screen[at], fronts[at]
            blends = silhouette.find_blends(mesh, sides, depths[at])
            silhouette.blend(planes[at], blends, out[at])
            return blends

        ctx.blends = spread(work, len(corners))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Any:
        color, clip = ctx.saved_tensors
        planes, corners, slope = arrays(color, clip, slopes)
        to_color, to_clip = np.empty_like(planes), np.zeros_like(corners)

        def work(at: int) -> None:
            into = to_color[at], to_clip[at]
            silhouette.blend_backward(planes[at], corners[at], ctx.blends[at], slope[at], into)

        spread(work, len(corners))
        return torch.from_numpy(to_color), torch.from_numpy(to_clip), None
