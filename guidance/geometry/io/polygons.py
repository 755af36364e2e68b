"""Triangulation of polygons, convex or not, in any plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.ears import NO_AREA, cut_ears
from guidance.geometry.io.formats import MAX_FACES, check_counts

Array = Any
#: The sum of the squared numbers of corners of polygons that are not convex, at most: it decides
#: the time, some seconds.
MAX_WORK = 10_000_000
#: Corners, with padding, that are worked on at a time.
BATCH = 2**19


@dataclass(frozen=True)
class Polygons:
    """The vertex of each corner, polygon by polygon, and the number of corners of each."""

    corners: Array  # int64 [c]
    counts: Array  # int64 [polygons]

    def at_least_three(self) -> tuple[Polygons, Array, int]:
        """Those with three corners or more, which of the corners are theirs, and how many lack."""
        enough = self.counts >= 3
        if enough.all():
            return self, np.ones(len(self.corners), bool), 0
        kept = np.repeat(enough, self.counts)
        return Polygons(self.corners[kept], self.counts[enough]), kept, int((~enough).sum())


def triangulate(polygons: Polygons, points: Array, where: str) -> tuple[Array, Array]:
    """Triangles that cover each polygon, with its corners only.

    Convex polygons become fans around their first corner. From others, ears are cut in the plane
    of their area vector. Triangles without area are avoided where possible, so that a corner in
    the middle of an edge stays a corner.

    Args:
        polygons: with three corners or more, which are valid indices.
        points: the vertices, finite.

    Returns:
        The corners of each triangle, as indices of `polygons.corners`; and its polygon.

    Raises:
        InputError: more triangles than `MAX_FACES`; polygons that are not convex have too many
            corners.
    """
    counts = polygons.counts
    starts = counts.cumsum() - counts
    sizes = counts - 2
    if sizes.sum() > MAX_FACES:
        check_counts(len(points), int(sizes.sum()), where)
    owner = np.repeat(np.arange(len(counts)), sizes)
    if not len(owner) or counts.max() == 3:
        return (starts[:, None] + np.arange(3)).reshape(-1, 3), owner
    fans = _Fans(polygons, starts, owner, points)
    bad = fans.turn_quads(fans.bad())
    if (counts[bad] ** 2).sum() > MAX_WORK:
        raise InputError(
            f"{where}: has {len(bad):,} polygons that are not convex, with up to "
            f"{int(counts[bad].max()):,} corners, which take too long; triangulate the mesh first"
        )
    padded = np.exp2(np.ceil(np.log2(counts[bad]))).astype(np.int64)
    for size in np.unique(padded).tolist():
        alike = bad[padded == size]
        step = max(1, BATCH // size)
        for at in range(0, len(alike), step):
            fans.cut(alike[at : at + step], size)
    return fans.triangles, owner


class _Fans:
    """A fan of triangles for each polygon, replaced where it does not cover the polygon."""

    def __init__(self, polygons: Polygons, starts: Array, owner: Array, points: Array) -> None:
        counts = polygons.counts
        self.counts, self.starts, self.owner = counts, starts, owner
        self.rows = (counts - 2).cumsum() - (counts - 2)  # the first triangle of each polygon
        step = np.arange(len(owner)) - self.rows[owner]
        first = starts[owner]
        self.triangles = np.stack([first, first + step + 1, first + step + 2], 1)
        places = points[polygons.corners]
        low, high = (edge.reduceat(places, starts) for edge in (np.minimum, np.maximum))
        extent = np.repeat(np.maximum((high - low).max(1), 1e-150), counts)
        # Relative to the first corner and in units of the extent, so that no precision is lost.
        self.places = (places - np.repeat(places[starts], counts, axis=0)) / extent[:, None]
        self.crosses = self._crosses(self.triangles)
        normals = np.add.reduceat(self.crosses, self.rows)
        self.lengths = np.linalg.norm(normals, axis=1)
        self.normals = normals / np.maximum(self.lengths, 1e-300)[:, None]

    def _crosses(self, triangles: Array) -> Array:
        a, b, c = (self.places[triangles[:, corner]] for corner in range(3))
        return np.cross(b - a, c - a)

    def bad(self) -> Array:
        """The polygons whose fan has a triangle that is turned around or has no area."""
        good = (self.crosses * self.normals[self.owner]).sum(1) > 2 * NO_AREA
        bad = np.unique(self.owner[~good])
        return bad[(self.counts[bad] > 3) & (self.lengths[bad] > 2 * NO_AREA)]

    def turn_quads(self, bad: Array) -> Array:
        """Divides quadrangles by their other diagonal if that is good; returns the others."""
        quads = self.counts[bad] == 4
        chosen = bad[quads]
        pieces = self.starts[chosen][:, None, None] + np.array([[1, 2, 3], [1, 3, 0]])
        turns = self._crosses(pieces.reshape(-1, 3)) * np.repeat(self.normals[chosen], 2, axis=0)
        fit = (turns.sum(1) > 2 * NO_AREA).reshape(-1, 2).all(1)
        into = self.rows[chosen[fit]]
        self.triangles[into], self.triangles[into + 1] = pieces[fit].transpose(1, 0, 2)
        quads[quads] = fit
        return bad[~quads]

    def cut(self, some: Array, size: int) -> None:
        """Cuts the ears of polygons with at most `size` corners."""
        column, counts = np.arange(size), self.counts[some]
        starts = self.starts[some][:, None]
        padded = self.places[starts + np.minimum(column, counts[:, None] - 1)]
        ears = cut_ears(_in_planes(padded, self.normals[some]), counts)
        there = column[:-2] < counts[:, None] - 2
        into = (self.rows[some][:, None] + column[:-2])[there]
        self.triangles[into] = (ears + starts[..., None])[there]


def _in_planes(places: Array, normals: Array) -> Array:
    """Coordinates `[m, n, 2]` in the planes with these normals, counterclockwise against them."""
    axes = np.eye(3)[np.abs(normals).argmin(1)]
    right = np.cross(axes, normals)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return places @ np.stack([right, np.cross(normals, right)], 2)
