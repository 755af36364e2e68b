"""Signed distances of simple solids, their smooth unions, and a mesh of where they are zero."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

Array = np.ndarray
#: Points `[m, 3]` -> distances `[m]`, negative inside; exact or nearly so near the surface.
Solid = Callable[[Array], Array]


def ellipsoid(center: tuple[float, float, float], radii: tuple[float, float, float]) -> Solid:
    """An ellipsoid whose axes are parallel to x, y and z.

    Source: Quilez, "Ellipsoid - distance": an approximation that is accurate near the surface.
    """

    def distance(points: Array) -> Array:
        shifted = points - np.array(center)
        outer = np.linalg.norm(shifted / radii, axis=1)
        slope = np.linalg.norm(shifted / np.square(radii), axis=1)
        return outer * (outer - 1) / np.maximum(slope, 1e-9)

    return distance


def tapered(path: list[tuple[float, float, float, float]]) -> Solid:
    """A tube along `x, y, z, radius` points, whose radius changes evenly between them."""
    rows = np.array(path)

    def distance(points: Array) -> Array:
        found = []
        for (*start, first), (*stop, last) in pairwise(rows):
            axis = np.array(stop) - start
            shifted = points - start
            share = np.clip(shifted @ axis / (axis @ axis), 0, 1)
            found.append(
                np.linalg.norm(shifted - share[:, None] * axis, axis=1)
                - (first + (last - first) * share)
            )
        return np.min(found, axis=0)

    return distance


def turned(solid: Solid, center: tuple[float, float, float], axis: str, degrees: float) -> Solid:
    """The solid turned around a line through `center` that is parallel to an axis."""
    angle, fixed = np.radians(degrees), "xyz".index(axis)
    first, second = [(1, 2), (2, 0), (0, 1)][fixed]
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
    # Row vectors times the matrix are turned backwards.
    return lambda points: solid((points - np.array(center)) @ matrix + np.array(center))


def mirrored(solid: Solid) -> Solid:
    """The solid, given on the side x > 0, on both sides."""
    return lambda points: solid(np.abs(points) * [1, 0, 0] + points * [0, 1, 1])


def union(first: Array, second: Array, blend: float) -> Array:
    """The distance to either of two solids, rounded where both are nearer than `blend`.

    Source: Quilez, "Smooth minimum" (quadratic polynomial).
    """
    overlap = np.maximum(blend - np.abs(first - second), 0) / blend
    return np.minimum(first, second) - overlap**2 * blend / 4


def surface(solid: Solid, axes: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Vertices `[p, 3]` and triangles `[f, 3]` of the zero level, closed, facing outwards.

    One vertex in each cell of a grid that the surface passes, then evened out along the surface.

    Args:
        axes: the places of the grid's planes along x, y and z.

    Source: Gibson, "Constrained Elastic Surface Nets" (1998).
    """
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    values = solid(grid.reshape(-1, 3)).reshape(grid.shape[:3])
    cells = tuple(len(axis) - 1 for axis in axes)
    order, total, count = (
        np.arange(np.prod(cells)).reshape(cells),
        np.zeros((*cells, 3)),
        np.zeros(cells),
    )
    quads = []
    for axis in range(3):
        # The edges of the grid along the axis, but for those on its sides.
        inner = (slice(None, -1), slice(1, -1), slice(1, -1))
        along = (slice(1, None), *inner[1:])
        values_, grid_ = np.moveaxis(values, axis, 0), np.moveaxis(grid, axis, 0)
        cut = (values_[inner] < 0) != (values_[along] < 0)
        a, b = values_[inner][cut], values_[along][cut]
        share = (a / (a - b))[:, None]
        places = (1 - share) * grid_[inner][cut] + share * grid_[along][cut]
        around = []
        for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)):
            there = (slice(None), slice(i, i - 1 or None), slice(j, j - 1 or None))
            around.append(np.moveaxis(order, axis, 0)[there][cut])
        quad = np.stack(around, 1)
        for corner in quad.T:
            total.reshape(-1, 3)[corner] += places
            count.reshape(-1)[corner] += 1
        # The other two axes are in their order, which is left-handed around y.
        outwards = (a < 0) ^ (axis == 1)
        quads.append(np.where(outwards[:, None], quad, quad[:, ::-1]))
    used = count.reshape(-1) > 0
    vertices = total.reshape(-1, 3)[used] / count.reshape(-1)[used, None]
    faces = (np.cumsum(used) - 1)[np.concatenate(quads)]
    vertices = _evened(solid, vertices, faces)
    return vertices, _split(vertices, faces)


def _evened(solid: Solid, vertices: Array, quads: Array, rounds: int = 12) -> Array:
    """Vertices moved towards the mean of their neighbors and back to the zero level."""
    pairs = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    for _ in range(rounds):
        sums, counts = np.zeros_like(vertices), np.zeros((len(vertices), 1))
        np.add.at(sums, pairs[:, 0], vertices[pairs[:, 1]])
        np.add.at(counts, pairs[:, 0], 1)
        vertices = vertices + 0.5 * (sums / counts - vertices)
        for _ in range(3):
            slope = _slope(solid, vertices)
            size = np.maximum((slope**2).sum(1, keepdims=True), 0.1)
            step = solid(vertices)[:, None] * slope / size
            vertices = vertices - np.clip(step, -0.03, 0.03)
    return vertices


def _slope(solid: Solid, points: Array, width: float = 1e-3) -> Array:
    columns = [solid(points + width * e) - solid(points - width * e) for e in np.eye(3)]
    return np.stack(columns, 1) / (2 * width)


def _split(vertices: Array, quads: Array) -> Array:
    """Two triangles for each quadrangle, cut along its shorter diagonal."""
    lengths = [
        np.linalg.norm(vertices[quads[:, i]] - vertices[quads[:, i + 2]], axis=1) for i in (0, 1)
    ]
    first = np.where((lengths[0] <= lengths[1])[:, None], quads, np.roll(quads, -1, 1))
    return np.concatenate([first[:, [0, 1, 2]], first[:, [0, 2, 3]]])
