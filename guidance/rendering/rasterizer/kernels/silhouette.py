"""Blends across silhouettes, forward and backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from guidance.rendering.rasterizer.kernels.compile import kernel

Array = Any
#: The largest sum of blend weights at a pixel: below 1, so that rounding cannot leave the range.
MOST = 0.999


@kernel
def find_blends(  # noqa: PLR0915  (a function call for each edge would dominate the runtime)
    mesh: tuple[Array, Array, Array], sides: tuple[Array, Array, Array, Array], depth: Array
) -> Any:
    """All blends of an image; see `silhouettes.antialias`.

    Args:
        mesh: clip coordinates, screen positions, and 1 or -1 for front and back faces.
        sides: edges, start, faces and along of `guidance.geometry.topology.EdgeSides`.
        depth: of the nearest surface at each pixel.

    Returns:
        Integers `[m, 5]`: target pixel, source pixel, the two vertices of the edge, and the axis
        that it is closer to. Floats `[m, 4]`: weight, its derivative with respect to the position
        of the crossing, the position along the edge, and the slope of the edge. The sum of the
        weights at each pixel.
    """
    clip, screen, fronts = mesh
    edges, start, owners, along = sides
    height, width = depth.shape
    integers = np.empty((1024, 5), np.int32)
    floats = np.empty((1024, 4), np.float32)
    total = np.zeros(height * width, np.float32)
    flat = depth.reshape(-1)
    count = 0
    for edge in range(len(edges)):
        first = start[edge]
        side = along[first] * fronts[owners[first]]
        alike = True
        for other in range(first + 1, start[edge + 1]):
            if along[other] * fronts[owners[other]] != side:
                alike = False
                break
        if not alike:
            continue
        i, j = edges[edge, 0], edges[edge, 1]
        if clip[i, 3] <= 0 or clip[j, 3] <= 0:
            continue
        ix, iy, jx, jy = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1]
        zi, zj = screen[i, 2], screen[j, 2]
        level = abs(jx - ix) >= abs(jy - iy)
        # u runs along the edge's axis, v across it.
        iu, iv, ju, jv = (ix, iy, jx, jy) if level else (iy, ix, jy, jx)
        length, breadth = (width, height) if level else (height, width)
        u_stride, v_stride = (1, width) if level else (width, 1)
        begin = max(0, math.ceil(min(iu, ju) - 0.5))
        end = min(length, math.ceil(max(iu, ju) - 0.5))
        if begin >= end:
            continue
        steep = (jv - iv) / (ju - iu)
        # If side is 1, the faces lie to the left of the edge's direction in the image: above an
        # edge that points right, and to the right of an edge that points down.
        forward = 1 if ju > iu else -1
        higher = (forward * side < 0) == level
        for u in range(begin, end):
            where = (u + 0.5 - iu) / (ju - iu)
            cross = iv + (u + 0.5 - iu) * steep
            v = math.floor(cross - 0.5)
            if v < 0 or v + 1 >= breadth:
                continue
            low = u * u_stride + v * v_stride
            high = low + v_stride
            inner, outer = (high, low) if higher else (low, high)
            if zi + where * (zj - zi) > flat[outer]:
                continue
            part = cross - (v + 0.5)
            derivative = 1.0
            if higher:
                part, derivative = 1.0 - part, -1.0
            target, source = outer, inner
            weight = part - 0.5
            if weight < 0:
                target, source, weight, derivative = inner, outer, -weight, -derivative
            if count == len(integers):
                integers, floats = _doubled(integers), _doubled(floats)
            integers[count, 0], integers[count, 1] = target, source
            integers[count, 2], integers[count, 3], integers[count, 4] = i, j, 0 if level else 1
            floats[count, 0], floats[count, 1] = weight, derivative
            floats[count, 2], floats[count, 3] = where, steep
            total[target] += weight
            count += 1
    return integers[:count], floats[:count], total


@kernel
def _doubled(rows: Array) -> Array:
    """A copy with room for twice as many rows."""
    more = np.empty((2 * rows.shape[0], rows.shape[1]), rows.dtype)
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            more[row, column] = rows[row, column]
    return more


@kernel
def blend(color: Array, blends: tuple[Array, Array, Array], out: Array) -> None:
    """Writes the blended image `[c, h, w]`."""
    integers, floats, total = blends
    for c in range(len(color)):
        before, after = color[c].reshape(-1), out[c].reshape(-1)
        for pixel in range(len(before)):
            after[pixel] = before[pixel]
        for index in range(len(integers)):
            target, source = integers[index, 0], integers[index, 1]
            weight = floats[index, 0] / max(1.0, total[target] / MOST)
            after[target] += weight * (before[source] - before[target])


@kernel
def blend_backward(
    color: Array,
    clip: Array,
    blends: tuple[Array, Array, Array],
    grads: Array,
    into: tuple[Array, Array],
) -> None:
    """Writes the gradient of the color and adds that of the clip coordinates, the two of `into`.

    `grads` `[c, h, w]` is the gradient of the blended image.
    """
    integers, floats, total = blends
    to_color, to_clip = into
    channels, height, width = color.shape
    weight_grads = np.zeros(len(integers))  # of the weights before they are scaled down
    shared = np.zeros(len(total))
    for c in range(channels):
        value, grad, out = color[c].reshape(-1), grads[c].reshape(-1), to_color[c].reshape(-1)
        for pixel in range(len(grad)):
            out[pixel] = grad[pixel]
        for index in range(len(integers)):
            target, source = integers[index, 0], integers[index, 1]
            weight = floats[index, 0] / max(1.0, total[target] / MOST)
            out[target] -= weight * grad[target]
            out[source] += weight * grad[target]
            change = grad[target] * (value[source] - value[target])
            weight_grads[index] += change
            shared[target] += weight * change
    for index in range(len(integers)):
        target, i, j = integers[index, 0], integers[index, 2], integers[index, 3]
        change = weight_grads[index]
        if total[target] > MOST:  # the weights at this pixel are scaled down by their sum
            change = (change - shared[target] / MOST) / (total[target] / MOST)
        change *= floats[index, 1]
        where, steep = float(floats[index, 2]), float(floats[index, 3])
        across, along = change, -change * steep
        # From pixels to clip space: x to the right, y up.
        gx, gy = (along, across) if integers[index, 4] == 0 else (across, along)
        gx, gy = gx * 0.5 * width, -gy * 0.5 * height
        for end in range(2):
            vertex = i if end == 0 else j
            share = (1.0 - where if end == 0 else where) / clip[vertex, 3]
            to_clip[vertex, 0] += share * gx
            to_clip[vertex, 1] += share * gy
            pull = gx * clip[vertex, 0] + gy * clip[vertex, 1]
            to_clip[vertex, 3] -= share * pull / clip[vertex, 3]
