"""Barycentric coordinates, interpolated attributes and shading of pixels, forward and backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from guidance.rendering.rasterizer.kernels.compile import kernel

Array = Any
#: Shorter normals have no direction; see `guidance.rendering.rasterizer.reference`.
NO_NORMAL = 1e-12
NO_NORMAL_SQUARED = np.float32(NO_NORMAL**2)


@kernel
def weights_at(clip: Array, corners: Array, x: float, y: float) -> Any:
    """Barycentric coordinates at a point, and the sum of the edge functions that they divide by.

    The sum is positive for front faces. The coordinates are clamped to [0, 1] and sum to 1, also
    for slivers with large rounding errors, so interpolated colors stay in range.
    """
    i, j, k = np.uintp(corners[0]), np.uintp(corners[1]), np.uintp(corners[2])
    w0, w1, w2 = float(clip[i, 3]), float(clip[j, 3]), float(clip[k, 3])
    p0, p1, p2 = clip[i, 0] - x * w0, clip[j, 0] - x * w1, clip[k, 0] - x * w2
    q0, q1, q2 = clip[i, 1] - y * w0, clip[j, 1] - y * w1, clip[k, 1] - y * w2
    e0, e1, e2 = p1 * q2 - q1 * p2, p2 * q0 - q2 * p0, p0 * q1 - q0 * p1
    total = e0 + e1 + e2
    scale = 1.0 / total if total != 0.0 else 0.0
    b0, b1 = min(max(e0 * scale, 0.0), 1.0), min(max(e1 * scale, 0.0), 1.0)
    b0, b1 = np.float32(b0), np.float32(min(b1, 1.0 - b0))
    return b0, b1, np.float32(1.0) - b0 - b1, total


@kernel
def push_weights(
    clip: Array, corners: Array, place: tuple[float, float], grads: Array, to_clip: Array
) -> None:
    """Adds the gradient of the barycentrics at a point to that of the clip coordinates."""
    i, j, k = np.uintp(corners[0]), np.uintp(corners[1]), np.uintp(corners[2])
    x, y = place
    w0, w1, w2 = float(clip[i, 3]), float(clip[j, 3]), float(clip[k, 3])
    p0, p1, p2 = clip[i, 0] - x * w0, clip[j, 0] - x * w1, clip[k, 0] - x * w2
    q0, q1, q2 = clip[i, 1] - y * w0, clip[j, 1] - y * w1, clip[k, 1] - y * w2
    e0, e1, e2 = p1 * q2 - q1 * p2, p2 * q0 - q2 * p0, p0 * q1 - q0 * p1
    total = e0 + e1 + e2
    scale = 1.0 / total if total != 0.0 else 0.0
    mean = (grads[0] * e0 + grads[1] * e1 + grads[2] * e2) * scale
    s0, s1, s2 = (grads[0] - mean) * scale, (grads[1] - mean) * scale, (grads[2] - mean) * scale
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
def barycentrics(mesh: tuple[Array, Array, Array], rows: tuple[int, int], out: Array) -> None:
    """Writes the barycentric coordinates `[h, w, 3]` of some rows; `out` must be 0 on entry.

    `mesh` holds clip coordinates, faces, and the face at each pixel.
    """
    clip, faces, triangles = mesh
    height, width = triangles.shape
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                x = (column + 0.5) * (2.0 / width) - 1.0
                b0, b1, b2, _ = weights_at(clip, faces[face], x, y)
                out[row, column, 0], out[row, column, 1], out[row, column, 2] = b0, b1, b2


@kernel
def barycentrics_backward(
    mesh: tuple[Array, Array, Array], rows: tuple[int, int], grads: Array, to_clip: Array
) -> None:
    """Adds the gradient of the clip coordinates `[p, 4]`, from that of the result `[h, w, 3]`."""
    clip, faces, triangles = mesh
    height, width = triangles.shape
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                x = (column + 0.5) * (2.0 / width) - 1.0
                push_weights(clip, faces[face], (x, y), grads[row, column], to_clip)


@kernel
def interpolate(
    attributes: Array, faces: Array, triangles: Array, weights: Array, out: Array
) -> None:
    """Writes the interpolated attributes `[h, w, c]` of an image; `out` must be 0 on entry."""
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
    image: tuple[Array, Array, Array],
    grads: Array,
    to_attributes: Array,
    to_weights: Array,
) -> None:
    """Adds the gradients of the attributes and of the barycentric coordinates.

    `image` holds faces, the face at each pixel, and the barycentric coordinates there.
    """
    faces, triangles, weights = image
    height, width = triangles.shape
    for row in range(height):
        for column in range(width):
            face = triangles[row, column]
            if face >= 0:
                for corner in range(3):
                    weight, vertex = weights[row, column, corner], faces[face, corner]
                    total = 0.0
                    for c in range(attributes.shape[1]):
                        grad = grads[row, column, c]
                        to_attributes[vertex, c] += weight * grad
                        total += attributes[vertex, c] * grad
                    to_weights[row, column, corner] += total


@kernel
def lambert(
    mesh: tuple[Array, Array, Array],
    rows: tuple[int, int],
    attributes: tuple[Array, Array],
    lighting: tuple[Array, float, bool],
    out: Array,
) -> None:
    """Writes the shaded colors and the coverage `[4, h, w]` of some rows.

    `attributes` holds normals and colors of the vertices; `lighting` the light's direction, the
    ambient light, and whether back faces are shaded.
    """
    clip, faces, triangles = mesh
    normals, colors = attributes
    light, ambient, two_sided = lighting
    height, width = triangles.shape
    lx, ly, lz = light[0], light[1], light[2]
    base, zero, one = np.float32(ambient), np.float32(0.0), np.float32(1.0)
    diffuse, flip = one - base, -one if two_sided else zero
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face < 0:
                for c in range(4):
                    out[c, row, column] = zero
                continue
            x = (column + 0.5) * (2.0 / width) - 1.0
            b0, b1, b2, total = weights_at(clip, faces[face], x, y)
            i, j, k = np.uintp(faces[face, 0]), np.uintp(faces[face, 1]), np.uintp(faces[face, 2])
            nx = b0 * normals[i, 0] + b1 * normals[j, 0] + b2 * normals[k, 0]
            ny = b0 * normals[i, 1] + b1 * normals[j, 1] + b2 * normals[k, 1]
            nz = b0 * normals[i, 2] + b1 * normals[j, 2] + b2 * normals[k, 2]
            squared = nx * nx + ny * ny + nz * nz
            lit = (nx * lx + ny * ly + nz * lz) * (one if total > 0 else flip)
            bright = base
            if squared > NO_NORMAL_SQUARED and lit > zero:
                bright += diffuse * lit / math.sqrt(squared)
            for c in range(3):
                color = b0 * colors[i, c] + b1 * colors[j, c] + b2 * colors[k, c]
                out[c, row, column] = color * bright
            out[3, row, column] = one


@kernel
def lambert_backward(  # noqa: PLR0915  (one pass over the pixels; see below)
    mesh: tuple[Array, Array, Array],
    rows: tuple[int, int],
    attributes: tuple[Array, Array],
    lighting: tuple[Array, float, bool],
    gradients: tuple[Array, tuple[Array, Array, Array]],
) -> None:
    """Adds the gradients of clip coordinates, normals and colors.

    `gradients` holds that of the result `[4, h, w]`, and the three to add to. All reads come before
    all writes, since the compiler must assume that the arrays overlap and would read again. The
    barycentric coordinates are not clamped to [0, 1] here, which matters for slivers only.
    """
    clip, faces, triangles = mesh
    normals, colors = attributes
    light, ambient, two_sided = lighting
    grads, (to_clip, to_normals, to_colors) = gradients
    height, width = triangles.shape
    lx, ly, lz = light[0], light[1], light[2]
    base, zero, one = np.float32(ambient), np.float32(0.0), np.float32(1.0)
    diffuse, flip = one - base, -one if two_sided else zero
    for row in range(rows[0], rows[1]):
        y = 1.0 - (row + 0.5) * (2.0 / height)
        for column in range(width):
            face = triangles[row, column]
            if face < 0:
                continue
            x = (column + 0.5) * (2.0 / width) - 1.0
            i, j, k = np.uintp(faces[face, 0]), np.uintp(faces[face, 1]), np.uintp(faces[face, 2])
            w0, w1, w2 = float(clip[i, 3]), float(clip[j, 3]), float(clip[k, 3])
            p0, p1, p2 = clip[i, 0] - x * w0, clip[j, 0] - x * w1, clip[k, 0] - x * w2
            q0, q1, q2 = clip[i, 1] - y * w0, clip[j, 1] - y * w1, clip[k, 1] - y * w2
            e0, e1, e2 = p1 * q2 - q1 * p2, p2 * q0 - q2 * p0, p0 * q1 - q0 * p1
            total = e0 + e1 + e2
            scale = 1.0 / total if total != 0.0 else 0.0
            b0, b1, b2 = np.float32(e0 * scale), np.float32(e1 * scale), np.float32(e2 * scale)
            nx0, ny0, nz0 = normals[i, 0], normals[i, 1], normals[i, 2]
            nx1, ny1, nz1 = normals[j, 0], normals[j, 1], normals[j, 2]
            nx2, ny2, nz2 = normals[k, 0], normals[k, 1], normals[k, 2]
            red0, green0, blue0 = colors[i, 0], colors[i, 1], colors[i, 2]
            red1, green1, blue1 = colors[j, 0], colors[j, 1], colors[j, 2]
            red2, green2, blue2 = colors[k, 0], colors[k, 1], colors[k, 2]
            red, green, blue = (
                grads[0, row, column],
                grads[1, row, column],
                grads[2, row, column],
            )

            nx = b0 * nx0 + b1 * nx1 + b2 * nx2
            ny = b0 * ny0 + b1 * ny1 + b2 * ny2
            nz = b0 * nz0 + b1 * nz1 + b2 * nz2
            squared = nx * nx + ny * ny + nz * nz
            inverse = one / math.sqrt(squared) if squared > NO_NORMAL_SQUARED else zero
            nx, ny, nz = nx * inverse, ny * inverse, nz * inverse
            side = one if total > 0 else flip
            along = nx * lx + ny * ly + nz * lz
            lit = side * along
            to_bright = red * (b0 * red0 + b1 * red1 + b2 * red2)
            to_bright += green * (b0 * green0 + b1 * green1 + b2 * green2)
            to_bright += blue * (b0 * blue0 + b1 * blue1 + b2 * blue2)
            bright, pull = base, zero
            if lit > zero:
                bright += diffuse * lit
                pull = to_bright * diffuse * side * inverse
            gx, gy, gz = (lx - along * nx), (ly - along * ny), (lz - along * nz)
            gx, gy, gz = gx * pull, gy * pull, gz * pull
            red, green, blue = red * bright, green * bright, blue * bright
            s0 = red * red0 + green * green0 + blue * blue0 + gx * nx0 + gy * ny0 + gz * nz0
            s1 = red * red1 + green * green1 + blue * blue1 + gx * nx1 + gy * ny1 + gz * nz1
            s2 = red * red2 + green * green2 + blue * blue2 + gx * nx2 + gy * ny2 + gz * nz2
            mean = s0 * b0 + s1 * b1 + s2 * b2
            scale, x, y = np.float32(scale), np.float32(x), np.float32(y)
            t0, t1, t2 = (s0 - mean) * scale, (s1 - mean) * scale, (s2 - mean) * scale
            p0, p1, p2 = np.float32(p0), np.float32(p1), np.float32(p2)
            q0, q1, q2 = np.float32(q0), np.float32(q1), np.float32(q2)
            gp0, gq0 = t2 * q1 - t1 * q2, t1 * p2 - t2 * p1
            gp1, gq1 = t0 * q2 - t2 * q0, t2 * p0 - t0 * p2
            gp2, gq2 = t1 * q0 - t0 * q1, t0 * p1 - t1 * p0

            to_colors[i, 0] += b0 * red
            to_colors[i, 1] += b0 * green
            to_colors[i, 2] += b0 * blue
            to_colors[j, 0] += b1 * red
            to_colors[j, 1] += b1 * green
            to_colors[j, 2] += b1 * blue
            to_colors[k, 0] += b2 * red
            to_colors[k, 1] += b2 * green
            to_colors[k, 2] += b2 * blue
            to_normals[i, 0] += b0 * gx
            to_normals[i, 1] += b0 * gy
            to_normals[i, 2] += b0 * gz
            to_normals[j, 0] += b1 * gx
            to_normals[j, 1] += b1 * gy
            to_normals[j, 2] += b1 * gz
            to_normals[k, 0] += b2 * gx
            to_normals[k, 1] += b2 * gy
            to_normals[k, 2] += b2 * gz
            to_clip[i, 0] += np.float32(gp0)
            to_clip[i, 1] += np.float32(gq0)
            to_clip[i, 3] -= np.float32(x * gp0 + y * gq0)
            to_clip[j, 0] += np.float32(gp1)
            to_clip[j, 1] += np.float32(gq1)
            to_clip[j, 3] -= np.float32(x * gp1 + y * gq1)
            to_clip[k, 0] += np.float32(gp2)
            to_clip[k, 1] += np.float32(gq2)
            to_clip[k, 3] -= np.float32(x * gp2 + y * gq2)
