"""The operations of the CPU backend as autograd functions over numba kernels.

All are differentiable once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from guidance.rendering.rasterizer.kernels import normals as normal_kernels
from guidance.rendering.rasterizer.kernels import silhouette, surface
from guidance.rendering.rasterizer.kernels.prepare import Array, add_up, arrays, bands, topology
from guidance.rendering.rasterizer.kernels.threads import spread


class Barycentrics(torch.autograd.Function):
    """Clip coordinates `[b, p, 4]` to barycentric coordinates `[b, h, w, 3]`."""

    @staticmethod
    def forward(ctx: Any, clip: Tensor, triangles: Tensor, faces: Tensor) -> Tensor:
        ctx.save_for_backward(clip, triangles, faces)
        (corners, visible), indices = arrays(clip, triangles), topology(faces).faces
        out = np.zeros((*visible.shape, 3), np.float32)
        pieces = bands(len(visible), visible.shape[1])

        def work(index: int) -> None:
            at, rows = pieces[index]
            surface.barycentrics((corners[at], indices, visible[at]), rows, out[at])

        spread(work, len(pieces))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        clip, triangles, faces = ctx.saved_tensors
        (corners, visible, grads), indices = (
            arrays(clip, triangles, grad_output),
            topology(faces).faces,
        )
        pieces = bands(len(visible), visible.shape[1], corners.shape[1])
        to_clip = np.zeros((len(pieces), *corners.shape[1:]), np.float32)

        def work(index: int) -> None:
            at, rows = pieces[index]
            mesh = corners[at], indices, visible[at]
            surface.barycentrics_backward(mesh, rows, grads[at], to_clip[index])

        spread(work, len(pieces))
        return add_up(to_clip, len(corners)), None, None


class Interpolate(torch.autograd.Function):
    """Attributes `[a, p, c]` and barycentrics `[b, h, w, 3]` to values `[b, h, w, c]`."""

    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, weights: Tensor, triangles: Tensor, faces: Tensor
    ) -> Tensor:
        ctx.save_for_backward(attributes, weights, triangles, faces)
        values, shares, visible = arrays(attributes, weights, triangles)
        indices, views = topology(faces).faces, len(visible) // len(values)
        out = np.zeros((*visible.shape, values.shape[-1]), np.float32)

        def work(at: int) -> None:
            surface.interpolate(values[at // views], indices, visible[at], shares[at], out[at])

        spread(work, len(visible))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        attributes, weights, triangles, faces = ctx.saved_tensors
        values, shares, visible, grads = arrays(attributes, weights, triangles, grad_output)
        indices, views = topology(faces).faces, len(visible) // len(values)
        to_values = np.zeros((len(visible), *values.shape[1:]), np.float32)
        to_weights = np.zeros_like(shares)

        def work(at: int) -> None:
            image, into = (indices, visible[at], shares[at]), (to_values[at], to_weights[at])
            surface.interpolate_backward(values[at // views], image, grads[at], *into)

        spread(work, len(visible))
        return add_up(to_values, len(values)), torch.from_numpy(to_weights), None, None


class Normals(torch.autograd.Function):
    """Vertices `[n, p, 3]` to unit vertex normals."""

    @staticmethod
    def forward(ctx: Any, vertices: Tensor, faces: Tensor) -> Tensor:
        (places,), indices = arrays(vertices), topology(faces).faces
        sums, out = np.zeros_like(places), np.empty_like(places)
        spread(
            lambda at: normal_kernels.normals(places[at], indices, sums[at], out[at]), len(places)
        )
        ctx.save_for_backward(vertices, faces)
        ctx.sums = sums
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        vertices, faces = ctx.saved_tensors
        (places, grads), indices = arrays(vertices, grad_output), topology(faces).faces
        room, out = np.empty_like(places), np.zeros_like(places)

        def work(at: int) -> None:
            mesh = places[at], indices, ctx.sums[at]
            normal_kernels.normals_backward(mesh, grads[at], room[at], out[at])

        spread(work, len(places))
        return torch.from_numpy(out), None


class Lambert(torch.autograd.Function):
    """Clip coordinates, normals and colors of vertices to shaded color planes `[b, 4, h, w]`.

    `scene` holds the face at each pixel, the faces, the lights, the ambient light (a number, or one
    per image) and whether back faces are shaded.
    """

    @staticmethod
    def forward(ctx: Any, clip: Tensor, normals: Tensor, colors: Tensor, scene: Any) -> Tensor:
        triangles, faces, lights, ambient, two_sided = scene
        ctx.save_for_backward(clip, normals, colors, triangles, faces, lights)
        ctx.two_sided = bool(two_sided)
        ctx.ambient = (
            ambient.tolist() if isinstance(ambient, Tensor) else [float(ambient)] * len(lights)
        )
        corners, vertex_normals, values, visible, light_vectors = arrays(
            clip, normals, colors, triangles, lights
        )
        indices, views = topology(faces).faces, len(visible) // len(values)
        out = np.empty((len(visible), 4, *visible.shape[1:]), np.float32)
        pieces = bands(len(visible), visible.shape[1])

        def work(index: int) -> None:
            at, rows = pieces[index]
            mesh, sample = (corners[at], indices, visible[at]), at // views
            attributes = vertex_normals[sample], values[sample]
            lighting = light_vectors[at], ctx.ambient[at], ctx.two_sided
            surface.lambert(mesh, rows, attributes, lighting, out[at])

        spread(work, len(pieces))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        clip, normals, colors, triangles, faces, lights = ctx.saved_tensors
        corners, vertex_normals, values = arrays(clip, normals, colors)
        visible, light_vectors, grads = arrays(triangles, lights, grad_output)
        indices, views = topology(faces).faces, len(visible) // len(values)
        pieces = bands(len(visible), visible.shape[1], corners.shape[1])
        to_clip, to_normals, to_colors = (
            np.zeros((len(pieces), *array.shape[1:]), np.float32)
            for array in (corners, vertex_normals, values)
        )

        def work(index: int) -> None:
            at, rows = pieces[index]
            mesh, sample = (corners[at], indices, visible[at]), at // views
            attributes = vertex_normals[sample], values[sample]
            lighting = light_vectors[at], ctx.ambient[at], ctx.two_sided
            into = to_clip[index], to_normals[index], to_colors[index]
            surface.lambert_backward(mesh, rows, attributes, lighting, (grads[at], into))

        spread(work, len(pieces))
        samples = len(values)
        of_vertices = add_up(to_normals, samples), add_up(to_colors, samples)
        return add_up(to_clip, len(corners)), *of_vertices, None


class Antialias(torch.autograd.Function):
    """Color planes `[b, c, h, w]` and clip coordinates to blended color planes.

    `scene` holds the faces, the depth at each pixel, and `Fragments.saved`.
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
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        color, clip = ctx.saved_tensors
        planes, corners, grads = arrays(color, clip, grad_output)
        to_color, to_clip = np.empty_like(planes), np.zeros_like(corners)

        def work(at: int) -> None:
            into = to_color[at], to_clip[at]
            silhouette.blend_backward(planes[at], corners[at], ctx.blends[at], grads[at], into)

        spread(work, len(corners))
        return torch.from_numpy(to_color), torch.from_numpy(to_clip), None
