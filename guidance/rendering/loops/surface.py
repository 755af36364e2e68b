"""What covered pixels show: barycentrics, interpolated attributes, light; forward and backward."""

from __future__ import annotations

import math
from typing import Any

from guidance.rendering.loops.kernel import kernel

Array = Any
#: Normals shorter than this have no direction; see `guidance.rendering.reference`.
NO_NORMAL = 1e-12


@kernel
def weights_at(clip: Array, corners: tuple[int, int, int], x: float, y: float) -> Any:
    """Barycentrics at a point of the screen, and the sum of edge functions they were divided by.

    The sum is positive where the camera sees the face listed anticlockwise.
    """
    i, j, k = corners
    w0, w1, w2 = float(clip[i, 3]), float(clip[j, 3]), float(clip[k, 3])
    p0, p1, p2 = clip[i, 0] - x * w0, clip[j, 0] - x * w1, clip[k, 0] - x * w2
    q0, q1, q2 = clip[i, 1] - y * w0, clip[j, 1] - y * w1, clip[k, 1] - y * w2
    e0, e1, e2 = p1 * q2 - q1 * p2, p2 * q0 - q2 * p0, p0 * q1 - q0 * p1
    total = e0 + e1 + e2
    scale = 1.0 / total
    return e0 * scale, e1 * scale, e2 * scale, total


@kernel
def push_weights(
    clip: Array,
    corners: tuple[int, int, int],
    place: tuple[float, float],
    slopes: tuple[float, float, float],
    to_clip: Array,
) -> None:
    """Adds the gradient of the barycentrics at a point to the gradient of the vertices."""
    i, j, k = corners
    x, y = place
    w0, w1, w2 = float(clip[i, 3]), float(clip[j, 3]), float(clip[k, 3])
    p0, p1, p2 = clip[i, 0] - x * w0, clip[j, 0] - x * w1, clip[k, 0] - x * w2
    q0, q1, q2 = clip[i, 1] - y * w0, clip[j, 1] - y * w1, clip[k, 1] - y * w2
    e0, e1, e2 = p1 * q2 - q1 * p2, p2 * q0 - q2 * p0, p0 * q1 - q0 * p1
    scale = 1.0 / (e0 + e1 + e2)
    mean = (slopes[0] * e0 + slopes[1] * e1 + slopes[2] * e2) * scale
    s0, s1, s2 = (slopes[0] - mean) * scale, (slopes[1] - mean) * scale, (slopes[2] - mean) * scale
    gp0, gq0 = s2 * q1 - s1 * q2, s1 * p2 - s2 * p1
    gp1, gq1 = s0 * q2 - s2 * q0, s2 * p0 - s0 * p2
    gp2, gq2 = s1 * q0 - s0 * q1, s0 * p1 - s1 * p0
    to_clip[i, 0] += gp0
    to_clip[i, 1] += gq0
    to_clip[i, 3] -= x * gp0 + y * gq0
    to_clip[j, 0] += gp1
    to_clip[j, 1] += gq1
    to_clip[j, 3] -= x * gp1 + y * gq1
    to_clip[k, 0] += gp2
    to_clip[k, 1] += gq2
    to_clip[k, 3] -= x * gp2 + y * gq2


@kernel
def barycentrics(
    clip: Array, faces: Array, triangles: Array, rows: tuple[int, int], out: Array
) -> None:
    """Writes the weights `[h, w, 3]` of some rows; `out` comes filled with 0."""
    height, width = triangles.shape
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                x = (column + 0.5) * (2.0 / width) - 1.0
                corners = faces[face, 0], faces[face, 1], faces[face, 2]
                b0, b1, b2, _ = weights_at(clip, corners, x, y)
                out[row, column, 0], out[row, column, 1], out[row, column, 2] = b0, b1, b2


@kernel
def barycentrics_backward(
    clip: Array,
    faces: Array,
    triangles: Array,
    rows: tuple[int, int],
    slopes: Array,
    to_clip: Array,
) -> None:
    """Adds the gradient `[p, 4]` that `slopes` `[h, w, 3]` of the weights give."""
    height, width = triangles.shape
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                x = (column + 0.5) * (2.0 / width) - 1.0
                corners = faces[face, 0], faces[face, 1], faces[face, 2]
                slope = slopes[row, column]
                push_weights(clip, corners, (x, y), (slope[0], slope[1], slope[2]), to_clip)


@kernel
def interpolate(
    attributes: Array, faces: Array, triangles: Array, weights: Array, out: Array
) -> None:
    """Writes attributes `[h, w, c]` of a picture; `out` comes filled with 0."""
    height, width = triangles.shape
    for row in range(height):
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                for corner in range(3):
                    weight, vertex = weights[row, column, corner], faces[face, corner]
                    for c in range(attributes.shape[1]):
                        out[row, column, c] += weight * attributes[vertex, c]


@kernel
def interpolate_backward(
    attributes: Array,
    faces: Array,
    triangles: Array,
    weights: Array,
    slopes: Array,
    to_attributes: Array,
    to_weights: Array,
) -> None:
    """Adds the gradients of `interpolate` for the attributes and the weights."""
    height, width = triangles.shape
    for row in range(height):
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                for corner in range(3):
                    weight, vertex = weights[row, column, corner], faces[face, corner]
                    total = 0.0
                    for c in range(attributes.shape[1]):
                        slope = slopes[row, column, c]
                        to_attributes[vertex, c] += weight * slope
                        total += attributes[vertex, c] * slope
                    to_weights[row, column, corner] += total


@kernel
def lambert(
    clip: Array,
    faces: Array,
    triangles: Array,
    rows: tuple[int, int],
    normals: Array,
    colors: Array,
    light: Array,
    terms: tuple[float, bool],
    out: Array,
) -> None:
    """Writes lit colours and coverage `[4, h, w]` of some rows; `terms`: ambient, two-sided."""
    height, width = triangles.shape
    ambient, two_sided = terms
    lx, ly, lz = float(light[0]), float(light[1]), float(light[2])
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face < 0:
                for c in range(4):
                    out[c, row, column] = 0.0
                continue
            x = (column + 0.5) * (2.0 / width) - 1.0
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            b0, b1, b2, total = weights_at(clip, (i, j, k), x, y)
            bright = ambient
            if two_sided or total > 0:
                nx = b0 * normals[i, 0] + b1 * normals[j, 0] + b2 * normals[k, 0]
                ny = b0 * normals[i, 1] + b1 * normals[j, 1] + b2 * normals[k, 1]
                nz = b0 * normals[i, 2] + b1 * normals[j, 2] + b2 * normals[k, 2]
                length = math.sqrt(nx * nx + ny * ny + nz * nz)
                lit = nx * lx + ny * ly + nz * lz
                lit = lit if total > 0 else -lit
                if length > NO_NORMAL and lit > 0:
                    bright += (1.0 - ambient) * lit / length
            for c in range(3):
                color = b0 * colors[i, c] + b1 * colors[j, c] + b2 * colors[k, c]
                out[c, row, column] = color * bright
            out[3, row, column] = 1.0


@kernel
def lambert_backward(
    clip: Array,
    faces: Array,
    triangles: Array,
    rows: tuple[int, int],
    normals: Array,
    colors: Array,
    light: Array,
    terms: tuple[float, bool],
    slopes: Array,
    to_clip: Array,
    to_normals: Array,
    to_colors: Array,
) -> None:
    """Adds the gradients of `lambert`; `slopes` are those of its colours, `[4, h, w]`."""
    height, width = triangles.shape
    ambient, two_sided = terms
    lx, ly, lz = float(light[0]), float(light[1]), float(light[2])
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face < 0:
                continue
            x = (column + 0.5) * (2.0 / width) - 1.0
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            b0, b1, b2, total = weights_at(clip, (i, j, k), x, y)
            nx = b0 * normals[i, 0] + b1 * normals[j, 0] + b2 * normals[k, 0]
            ny = b0 * normals[i, 1] + b1 * normals[j, 1] + b2 * normals[k, 1]
            nz = b0 * normals[i, 2] + b1 * normals[j, 2] + b2 * normals[k, 2]
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            side = 1.0 if total > 0 else (-1.0 if two_sided else 0.0)
            lit = 0.0
            if length > NO_NORMAL:
                nx, ny, nz = nx / length, ny / length, nz / length
                lit = side * (nx * lx + ny * ly + nz * lz)
            bright = ambient + (1.0 - ambient) * max(0.0, lit)
            s0, s1, s2, to_bright = 0.0, 0.0, 0.0, 0.0
            for c in range(3):
                slope = float(slopes[c, row, column])
                c0, c1, c2 = float(colors[i, c]), float(colors[j, c]), float(colors[k, c])
                to_bright += slope * (b0 * c0 + b1 * c1 + b2 * c2)
                slope *= bright
                to_colors[i, c] += b0 * slope
                to_colors[j, c] += b1 * slope
                to_colors[k, c] += b2 * slope
                s0, s1, s2 = s0 + slope * c0, s1 + slope * c1, s2 + slope * c2
            if lit > 0:
                scale = to_bright * (1.0 - ambient) * side / length
                along = side * lit
                gx, gy, gz = (lx - along * nx), (ly - along * ny), (lz - along * nz)
                gx, gy, gz = gx * scale, gy * scale, gz * scale
                to_normals[i, 0] += b0 * gx
                to_normals[i, 1] += b0 * gy
                to_normals[i, 2] += b0 * gz
                to_normals[j, 0] += b1 * gx
                to_normals[j, 1] += b1 * gy
                to_normals[j, 2] += b1 * gz
                to_normals[k, 0] += b2 * gx
                to_normals[k, 1] += b2 * gy
                to_normals[k, 2] += b2 * gz
                s0 += gx * normals[i, 0] + gy * normals[i, 1] + gz * normals[i, 2]
                s1 += gx * normals[j, 0] + gy * normals[j, 1] + gz * normals[j, 2]
                s2 += gx * normals[k, 0] + gy * normals[k, 1] + gz * normals[k, 2]
            push_weights(clip, (i, j, k), (x, y), (s0, s1, s2), to_clip)
