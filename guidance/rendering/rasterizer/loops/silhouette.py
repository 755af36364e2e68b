"""Blends across silhouettes, forward and backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from guidance.rendering.rasterizer.loops.kernel import kernel

Array = Any
#: Blends at one pixel add up to no more than this, so that rounding cannot leave the range.
MOST = 0.999


@kernel
def find_blends(  # noqa: PLR0915  (a call an edge would cost more than all else)
    mesh: tuple[Array, Array, Array], sides: tuple[Array, Array, Array, Array], depth: Array
) -> Any:
    """All blends of an image.

    Args:
        mesh: clip coordinates, places on the screen, and which faces are fronts.
        sides: edges, start, faces at edges, directions; see `guidance.geometry.topology`.
        depth: of the nearest surface at each pixel.

    Returns:
        whole numbers `[m, 5]`: target pixel, other pixel, the edge's two vertices, and the axis it
        runs along; numbers `[m, 4]`: weight, its slope in the place of the crossing, how far along
        the edge that is, and the edge's steepness; and the sum of weights at each pixel.
    """
    clip, screen, fronts = mesh
    edges, start, owners, along = sides
    height, width = depth.shape
    whole = np.empty((1024, 5), np.int32)
    numbers = np.empty((1024, 4), np.float32)
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
        # The faces lie to the left of the edge's way if side is 1, as one sees them: above a way to
        # the right, and to the right of a way down.
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
            slope = 1.0
            if higher:
                part, slope = 1.0 - part, -1.0
            target, other = outer, inner
            weight = part - 0.5
            if weight < 0:
                target, other, weight, slope = inner, outer, -weight, -slope
            if count == len(whole):
                wider, more = (
                    np.empty((2 * count, 5), np.int32),
                    np.empty((2 * count, 4), np.float32),
                )
                wider[:count], more[:count] = whole, numbers
                whole, numbers = wider, more
            whole[count, 0], whole[count, 1] = target, other
            whole[count, 2], whole[count, 3], whole[count, 4] = i, j, 0 if level else 1
            numbers[count, 0], numbers[count, 1] = weight, slope
            numbers[count, 2], numbers[count, 3] = where, steep
            total[target] += weight
            count += 1
    return whole[:count], numbers[:count], total


@kernel
def blend(color: Array, blends: tuple[Array, Array, Array], out: Array) -> None:
    """Writes the blended image `[c, h, w]`."""
    whole, numbers, total = blends
    out[:] = color
    for c in range(len(color)):
        before, after = color[c].reshape(-1), out[c].reshape(-1)
        for index in range(len(whole)):
            target, source = whole[index, 0], whole[index, 1]
            weight = numbers[index, 0] / max(1.0, total[target] / MOST)
            after[target] += weight * (before[source] - before[target])


@kernel
def blend_backward(
    color: Array,
    clip: Array,
    blends: tuple[Array, Array, Array],
    slopes: Array,
    into: tuple[Array, Array],
) -> None:
    """Writes the colour's gradient, and adds that of the vertices, `into` them.

    `slopes` `[c, h, w]` are those of the blended image.
    """
    whole, numbers, total = blends
    to_color, to_clip = into
    channels, height, width = color.shape
    to_color[:] = slopes
    gains = np.zeros(len(whole))  # what each blend's weight would gain, were it alone at its pixel
    shared = np.zeros(len(total))
    for c in range(channels):
        value, slope, out = color[c].reshape(-1), slopes[c].reshape(-1), to_color[c].reshape(-1)
        for index in range(len(whole)):
            target, source = whole[index, 0], whole[index, 1]
            weight = numbers[index, 0] / max(1.0, total[target] / MOST)
            out[target] -= weight * slope[target]
            out[source] += weight * slope[target]
            gain = slope[target] * (value[source] - value[target])
            gains[index] += gain
            shared[target] += weight * gain
    for index in range(len(whole)):
        target, i, j = whole[index, 0], whole[index, 2], whole[index, 3]
        gain = gains[index]
        if total[target] > MOST:  # weights that share a pixel take from one another
            gain = (gain - shared[target] / MOST) / (total[target] / MOST)
        gain *= numbers[index, 1]
        where, steep = float(numbers[index, 2]), float(numbers[index, 3])
        across, along = gain, -gain * steep
        # From pixels to clip space: x to the right, y up.
        gx, gy = (along, across) if whole[index, 4] == 0 else (across, along)
        gx, gy = gx * 0.5 * width, -gy * 0.5 * height
        for end in range(2):
            vertex = i if end == 0 else j
            share = (1.0 - where if end == 0 else where) / clip[vertex, 3]
            to_clip[vertex, 0] += share * gx
            to_clip[vertex, 1] += share * gy
            pull = gx * clip[vertex, 0] + gy * clip[vertex, 1]
            to_clip[vertex, 3] -= share * pull / clip[vertex, 3]
