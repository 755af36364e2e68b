"""The contract on the CPU: numba's loops, made differentiable by hand.

The arithmetic of `guidance.rendering.rasterizer.reference`, in one pass an image and without
large tensors in between. Work is spread over images and, where there are fewer than threads, over
bands of rows; each piece adds to gradients of its own, so that results do not depend on the threads' order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.rendering.rasterizer.contract import Fragments, Shading
from guidance.rendering.rasterizer.cpu_gradients import (
    Antialias,
    Barycentrics,
    Interpolate,
    Lambert,
    Normals,
)
from guidance.rendering.rasterizer.loops import visibility
from guidance.rendering.rasterizer.loops.kernel import spread
from guidance.rendering.rasterizer.loops.prepare import arrays, bands, topology


def visible(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], object]:
    """The nearest face at each pixel, -1 for none, its depth; and what `antialias` finds again."""
    (corners,), whole = arrays(clip), topology(faces).faces
    screen = np.empty((*corners.shape[:2], 3), np.float64)
    fronts = np.empty((len(clip), len(whole)), np.int8)
    triangles = np.empty((len(clip), height, width), np.int32)
    depth = np.empty((len(clip), height, width), np.float32)
    pieces = bands(len(clip), height)

    def work(index: int) -> None:
        at, rows = pieces[index]
        # Bands of one image write the same places and fronts.
        visibility.place_on_screen(corners[at], height, width, screen[at])
        mesh = corners[at], screen[at], whole
        visibility.fill(mesh, rows, triangles[at], depth[at], fronts[at])

    spread(work, len(pieces))
    return torch.from_numpy(triangles), torch.from_numpy(depth), (screen, fronts)


def barycentrics(fragments: Fragments) -> Float[Tensor, "b h w 3"]:
    """Perspective-correct weights of the vertices, 0 where no triangle is."""
    return _apply(Barycentrics, fragments.clip_vertices, fragments.triangles, fragments.faces)


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "a p c"]
) -> Float[Tensor, "b h w c"]:
    """Attributes of vertices at each pixel, 0 where no triangle is."""
    weights = fragments.barycentrics
    return _apply(Interpolate, attributes, weights, fragments.triangles, fragments.faces)


def vertex_normals(
    vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"]
) -> Float[Tensor, "n p 3"]:
    """Area-weighted unit normals of vertices, zero where they have none."""
    return _apply(Normals, vertices, faces)


def lambert(
    fragments: Fragments,
    normals: Float[Tensor, "n p 3"],
    colors: Float[Tensor, "n p 3"],
    lights: Float[Tensor, "b 3"],
    shading: Shading,
    *,
    ambient: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, "b h w 4"]:
    """Lit colours and coverage at each pixel."""
    around = [shading.ambient] * len(lights) if ambient is None else ambient.tolist()
    scene = fragments.triangles, fragments.faces, lights, (around, bool(shading.two_sided))
    return _apply(Lambert, fragments.clip_vertices, normals, colors, scene).movedim(1, -1)


def antialias(color: Float[Tensor, "b h w c"], fragments: Fragments) -> Float[Tensor, "b h w c"]:
    """Blends pixels across silhouettes."""
    scene = fragments.faces, fragments.depth, fragments.kept
    planes = color.movedim(-1, 1)
    return _apply(Antialias, planes, fragments.clip_vertices, scene).movedim(1, -1)


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    found: Tensor = function.apply(*inputs)  # type: ignore[no-untyped-call]
    return found
