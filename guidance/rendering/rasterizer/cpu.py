"""The CPU backend: numba kernels with gradients written by hand.

Computes what `guidance.rendering.rasterizer.reference` computes, in one pass per image and without
large intermediate tensors. The work is divided among images and, if there are fewer images than
threads, among bands of rows. Each piece accumulates its own gradients, so the result does not
depend on the order of the threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.rendering.rasterizer import cpu_autograd
from guidance.rendering.rasterizer.backend import Backend
from guidance.rendering.rasterizer.kernels import visibility
from guidance.rendering.rasterizer.kernels.prepare import arrays, bands, topology
from guidance.rendering.rasterizer.kernels.threads import spread


def visible(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], object]:
    """The nearest face and its depth at each pixel, and what `antialias` reuses."""
    (corners,), indices = arrays(clip), topology(faces).faces
    screen = np.empty((*corners.shape[:2], 3), np.float64)
    fronts = np.empty((len(clip), len(indices)), np.int8)
    triangles = np.empty((len(clip), height, width), np.int32)
    depth = np.empty((len(clip), height, width), np.float32)
    pieces = bands(len(clip), height)

    def work(index: int) -> None:
        at, rows = pieces[index]
        # Bands of one image write the same screen positions and fronts.
        visibility.place_on_screen(corners[at], height, width, screen[at])
        mesh = corners[at], screen[at], indices
        visibility.fill(mesh, rows, triangles[at], depth[at], fronts[at])

    spread(work, len(pieces))
    return torch.from_numpy(triangles), torch.from_numpy(depth), (screen, fronts)


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    result: Tensor = function.apply(*inputs)  # type: ignore[no-untyped-call]
    return result


BACKEND = Backend(
    name="cpu",
    visible=visible,
    barycentrics=lambda fragments: _apply(
        cpu_autograd.Barycentrics, fragments.clip_vertices, fragments.triangles, fragments.faces
    ),
    interpolate=lambda fragments, attributes: _apply(
        cpu_autograd.Interpolate,
        attributes,
        fragments.barycentrics,
        fragments.triangles,
        fragments.faces,
    ),
    vertex_normals=lambda vertices, faces: _apply(cpu_autograd.Normals, vertices, faces),
    lambert=lambda fragments, normals, colors, lights, ambient, two_sided: _apply(
        cpu_autograd.Lambert,
        fragments.clip_vertices,
        normals,
        colors,
        (fragments.triangles, fragments.faces, lights, ambient, two_sided),
    ).movedim(1, -1),
    antialias=lambda color, fragments: _apply(
        cpu_autograd.Antialias,
        color.movedim(-1, 1),
        fragments.clip_vertices,
        (fragments.faces, fragments.depth, fragments.saved),
    ).movedim(1, -1),
)
