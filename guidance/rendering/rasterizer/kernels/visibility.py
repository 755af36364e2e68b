"""Visibility: a z-buffer with homogeneous edge functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from guidance.rendering.rasterizer.kernels.compile import kernel

Array = Any


@kernel
def place_on_screen(clip: Array, height: int, width: int, screen: Array) -> None:
    """Writes x and y in pixels and the depth of each vertex; unused for those behind the camera."""
    for i in range(len(clip)):
        scale = 1.0 / clip[i, 3] if clip[i, 3] > 0 else 0.0
        screen[i, 0] = (clip[i, 0] * scale + 1.0) * (0.5 * width)
        screen[i, 1] = (1.0 - clip[i, 1] * scale) * (0.5 * height)
        screen[i, 2] = clip[i, 2] * scale


@kernel
def is_front(clip: Array, i: int, j: int, k: int) -> bool:
    """Whether a face is a front face (counterclockwise); valid behind the camera too."""
    x, y, w = np.float64(clip[i, 0]), np.float64(clip[i, 1]), np.float64(clip[i, 3])
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
    """Writes the nearest face and its depth at each pixel of some rows, and 1 or -1 for each face.

    `mesh` holds clip coordinates, screen positions and faces. Front faces (1) are drawn first.
    Nearly all back faces (-1) are then hidden, and are skipped before their edge functions are set
    up.
    """
    clip, screen, faces = mesh
    width = triangles.shape[1]
    top, bottom = rows
    triangles[top:bottom] = -1
    depth[top:bottom] = 1.0
    back_faces = np.empty(len(faces), np.int32)
    count = 0
    for turn in range(2):
        for index in range(len(faces) if turn == 0 else count):
            face = index if turn == 0 else back_faces[index]
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            left, right, high, low = 0, width - 1, top, bottom - 1
            behind = clip[i, 3] <= 0 or clip[j, 3] <= 0 or clip[k, 3] <= 0
            if behind:
                front = is_front(clip, i, j, k)
            else:
                sx, sy, tx, ty = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1]
                ux, uy = screen[k, 0], screen[k, 1]
                front = (tx - sx) * (uy - sy) <= (ty - sy) * (ux - sx)  # screen y points down
                high = max(high, math.ceil(min(sy, ty, uy) - 0.5))
                low = min(low, math.floor(max(sy, ty, uy) - 0.5))
                left = max(left, math.ceil(min(sx, tx, ux) - 0.5))
                right = min(right, math.floor(max(sx, tx, ux) - 0.5))
            if turn == 0:
                fronts[face] = 1 if front else -1
            if left > right or high > low:
                continue
            if turn == 0 and not front:
                back_faces[count] = face
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
    """Writes a face to the pixels where it is nearer than the current depth.

    The edge functions and the depth are linear in screen space. Their coefficients are differences
    of products that double precision represents exactly, so two faces get values of opposite sign
    but equal magnitude at their common edge, and leave no gap.
    """
    face, i, j, k = face_corners
    left, right, high, low = box
    height, width = triangles.shape
    x0, x1, x2 = np.float64(clip[i, 0]), np.float64(clip[j, 0]), np.float64(clip[k, 0])
    y0, y1, y2 = np.float64(clip[i, 1]), np.float64(clip[j, 1]), np.float64(clip[k, 1])
    w0, w1, w2 = np.float64(clip[i, 3]), np.float64(clip[j, 3]), np.float64(clip[k, 3])
    a0, b0, c0 = y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2
    a1, b1, c1 = y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0
    a2, b2, c2 = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
    determinant = x0 * a0 + y0 * b0 + w0 * c0
    if determinant == 0.0:
        return
    sign = 1.0 if determinant > 0 else -1.0
    inverse = 1.0 / determinant
    z0, z1, z2 = clip[i, 2] * inverse, clip[j, 2] * inverse, clip[k, 2] * inverse
    az, bz = a0 * z0 + a1 * z1 + a2 * z2, b0 * z0 + b1 * z1 + b2 * z2
    cz = c0 * z0 + c1 * z1 + c2 * z2
    a0, a1, a2 = a0 * sign, a1 * sign, a2 * sign
    across, down = 2.0 / width, 2.0 / height
    for row in range(high, low + 1):
        y = 1.0 - (row + 0.5) * down
        e0, e1, e2 = (b0 * y + c0) * sign, (b1 * y + c1) * sign, (b2 * y + c2) * sign
        z = bz * y + cz
        for column in range(left, right + 1):
            x = (column + 0.5) * across - 1.0
            # Compared in the precision of the buffer: among equal depths, the first face wins.
            near = np.float32(az * x + z)
            inside = min(a0 * x + e0, a1 * x + e1, a2 * x + e2) >= 0.0
            if inside and -1.0 <= near < depth[row, column]:
                depth[row, column] = near
                triangles[row, column] = face
