"""Which triangle each pixel sees: a z-buffer with homogeneous edge functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from guidance.rendering.loops.kernel import kernel

Array = Any


@kernel
def place_on_screen(clip: Array, height: int, width: int, screen: Array) -> None:
    """Writes where each vertex lies: x and y in pixels, depth. Those behind are nowhere."""
    for i in range(len(clip)):
        scale = 1.0 / clip[i, 3] if clip[i, 3] > 0 else 0.0
        screen[i, 0] = (clip[i, 0] * scale + 1.0) * (0.5 * width)
        screen[i, 1] = (1.0 - clip[i, 1] * scale) * (0.5 * height)
        screen[i, 2] = clip[i, 2] * scale


@kernel
def is_front(clip: Array, i: int, j: int, k: int) -> bool:
    """Whether the camera sees the corners anticlockwise; in front of it as behind it."""
    x, y, w = float(clip[i, 0]), float(clip[i, 1]), float(clip[i, 3])
    p1, q1 = w * clip[j, 0] - x * clip[j, 3], w * clip[j, 1] - y * clip[j, 3]
    p2, q2 = w * clip[k, 0] - x * clip[k, 3], w * clip[k, 1] - y * clip[k, 3]
    return bool((p1 * q2 - q1 * p2) * w >= 0)


@kernel
def fill(
    mesh: tuple[Array, Array, Array],
    rows: tuple[int, int],
    triangles: Array,
    depth: Array,
    fronts: Array,
) -> None:
    """Writes the nearest face and its depth at each pixel of some rows, and which faces are fronts.

    `mesh`: clip coordinates, places on the screen, faces. Fronts are drawn first: nearly all others
    are then hidden, which is told before their edge functions are set up.
    """
    clip, screen, faces = mesh
    width = triangles.shape[1]
    top, bottom = rows
    triangles[top:bottom] = -1
    depth[top:bottom] = 1.0
    later = np.empty(len(faces), np.int32)
    count = 0
    for turn in range(2):
        for index in range(len(faces) if turn == 0 else count):
            face = index if turn == 0 else later[index]
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            left, right, high, low = 0, width - 1, top, bottom - 1
            behind = clip[i, 3] <= 0 or clip[j, 3] <= 0 or clip[k, 3] <= 0
            if behind:
                front = is_front(clip, i, j, k)
            else:
                sx, sy, tx, ty = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1]
                ux, uy = screen[k, 0], screen[k, 1]
                front = (tx - sx) * (uy - sy) <= (ty - sy) * (ux - sx)  # the screen's y is down
                high = max(high, math.ceil(min(sy, ty, uy) - 0.5))
                low = min(low, math.floor(max(sy, ty, uy) - 0.5))
                left = max(left, math.ceil(min(sx, tx, ux) - 0.5))
                right = min(right, math.floor(max(sx, tx, ux) - 0.5))
            if turn == 0:
                fronts[face] = 1 if front else -1
            if left > right or high > low:
                continue
            if turn == 0 and not front:
                later[count] = face
                count += 1
                continue
            if turn == 1 and not behind:
                nearest = min(screen[i, 2], screen[j, 2], screen[k, 2])
                if _hides(depth, (left, right, high, low), nearest):
                    continue
            _draw(clip, (face, i, j, k), (left, right, high, low), triangles, depth)


@kernel
def _hides(depth: Array, box: tuple[int, int, int, int], nearest: float) -> bool:
    left, right, high, low = box
    for row in range(high, low + 1):
        for column in range(left, right + 1):
            if depth[row, column] > nearest:
                return False
    return True


@kernel
def _draw(
    clip: Array,
    face_corners: tuple[int, int, int, int],
    box: tuple[int, int, int, int],
    triangles: Array,
    depth: Array,
) -> None:
    """Writes a face where it is nearer than what is there.

    The edge functions and the depth are linear on the screen: they are computed at the first pixel
    of the bounding box, in double precision so that neighbours leave no gap, and then moved along
    by adding.
    """
    face, i, j, k = face_corners
    left, right, high, low = box
    height, width = triangles.shape
    across, down = 2.0 / width, -2.0 / height
    x0, x1, x2 = float(clip[i, 0]), float(clip[j, 0]), float(clip[k, 0])
    y0, y1, y2 = float(clip[i, 1]), float(clip[j, 1]), float(clip[k, 1])
    w0, w1, w2 = float(clip[i, 3]), float(clip[j, 3]), float(clip[k, 3])
    x, y = (left + 0.5) * across - 1.0, 1.0 + (high + 0.5) * down
    p0, p1, p2 = x0 - x * w0, x1 - x * w1, x2 - x * w2
    q0, q1, q2 = y0 - y * w0, y1 - y * w1, y2 - y * w2
    e0, e1, e2 = p1 * q2 - q1 * p2, p2 * q0 - q2 * p0, p0 * q1 - q0 * p1
    determinant = e0 * w0 + e1 * w1 + e2 * w2
    if determinant == 0.0:
        return
    sign = 1.0 if determinant > 0 else -1.0
    e0, e1, e2 = e0 * sign, e1 * sign, e2 * sign
    right_scale, down_scale = sign * across, sign * down
    a0, b0 = (y1 * w2 - w1 * y2) * right_scale, (w1 * x2 - x1 * w2) * down_scale
    a1, b1 = (y2 * w0 - w2 * y0) * right_scale, (w2 * x0 - x2 * w0) * down_scale
    a2, b2 = (y0 * w1 - w0 * y1) * right_scale, (w0 * x1 - x0 * w1) * down_scale
    inverse = sign / determinant
    z0, z1, z2 = clip[i, 2] * inverse, clip[j, 2] * inverse, clip[k, 2] * inverse
    z, az = e0 * z0 + e1 * z1 + e2 * z2, a0 * z0 + a1 * z1 + a2 * z2
    bz = b0 * z0 + b1 * z1 + b2 * z2
    for row in range(high, low + 1):
        f0, f1, f2, d = e0, e1, e2, z
        for column in range(left, right + 1):
            if min(f0, f1, f2) >= 0.0 and -1.0 <= d < depth[row, column]:
                depth[row, column] = d
                triangles[row, column] = face
            f0, f1, f2, d = f0 + a0, f1 + a1, f2 + a2, d + az
        e0, e1, e2, z = e0 + b0, e1 + b1, e2 + b2, z + bz
