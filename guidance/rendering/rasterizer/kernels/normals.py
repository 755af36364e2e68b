"""Area-weighted vertex normals, forward and backward."""

from __future__ import annotations

import math
from typing import Any

from guidance.rendering.rasterizer.kernels.compile import kernel
from guidance.rendering.rasterizer.kernels.surface import NO_NORMAL

Array = Any


@kernel
def normals(vertices: Array, faces: Array, sums: Array, out: Array) -> None:
    """Writes the sums of the adjacent face normals and their unit vectors, both `[p, 3]`.

    `sums` must be 0 on entry.
    """
    for face in range(len(faces)):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
        cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
        nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
        for vertex in (i, j, k):
            sums[vertex, 0] += nx
            sums[vertex, 1] += ny
            sums[vertex, 2] += nz
    for vertex in range(len(sums)):
        x, y, z = sums[vertex, 0], sums[vertex, 1], sums[vertex, 2]
        length = math.sqrt(x * x + y * y + z * z)
        scale = 1.0 / length if length > NO_NORMAL else 0.0
        out[vertex, 0], out[vertex, 1], out[vertex, 2] = x * scale, y * scale, z * scale


@kernel
def normals_backward(
    mesh: tuple[Array, Array, Array], grads: Array, to_sums: Array, to_vertices: Array
) -> None:
    """Adds the gradient to `to_vertices`; `to_sums` `[p, 3]` is a buffer for that of the sums.

    `mesh` holds vertices, faces, and the sums that `normals` wrote.
    """
    vertices, faces, sums = mesh
    for vertex in range(len(sums)):
        x, y, z = sums[vertex, 0], sums[vertex, 1], sums[vertex, 2]
        length = math.sqrt(x * x + y * y + z * z)
        scale = 1.0 / length if length > NO_NORMAL else 0.0
        x, y, z = x * scale, y * scale, z * scale
        gx, gy, gz = grads[vertex, 0], grads[vertex, 1], grads[vertex, 2]
        along = gx * x + gy * y + gz * z
        to_sums[vertex, 0] = (gx - along * x) * scale
        to_sums[vertex, 1] = (gy - along * y) * scale
        to_sums[vertex, 2] = (gz - along * z) * scale
    for face in range(len(faces)):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
        cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
        gx = to_sums[i, 0] + to_sums[j, 0] + to_sums[k, 0]
        gy = to_sums[i, 1] + to_sums[j, 1] + to_sums[k, 1]
        gz = to_sums[i, 2] + to_sums[j, 2] + to_sums[k, 2]
        # The normal is b x c: the gradient with respect to b is c x g, and g x b to c.
        ux, uy, uz = cy * gz - cz * gy, cz * gx - cx * gz, cx * gy - cy * gx
        vx, vy, vz = gy * bz - gz * by, gz * bx - gx * bz, gx * by - gy * bx
        to_vertices[j, 0] += ux
        to_vertices[j, 1] += uy
        to_vertices[j, 2] += uz
        to_vertices[k, 0] += vx
        to_vertices[k, 1] += vy
        to_vertices[k, 2] += vz
        to_vertices[i, 0] -= ux + vx
        to_vertices[i, 1] -= uy + vy
        to_vertices[i, 2] -= uz + vz
