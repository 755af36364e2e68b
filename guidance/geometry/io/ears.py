"""Triangulation of polygons in the plane by cutting ears, many polygons at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
#: A triangle with a smaller area, relative to the squared extent of its polygon, has none.
NO_AREA = 1e-12


def cut_ears(flat: Array, counts: Array) -> Array:
    """Triangulates counterclockwise polygons of about unit size in the plane.

    An ear is a corner whose triangle has area and holds no other corner. After a cut, only its two
    neighbors are tested again. If no ear is left, as in a polygon that crosses itself, the corner
    that turns most is cut.

    Source: O'Rourke, Computational Geometry in C, section 1.4.

    Args:
        flat: the corners of each polygon, padded, `[m, n, 2]`.
        counts: the number of corners of each, from 3 to n.

    Returns:
        Corners of triangles, `[m, n - 2, 3]`; the first `counts - 2` of each polygon are valid.
    """
    polygons = _Ears(flat, counts)
    rows = np.arange(len(flat))
    found = np.zeros((len(flat), flat.shape[1] - 2, 3), np.int64)
    for step in range(int(counts.max()) - 3):
        active = np.flatnonzero(step < counts - 3)
        found[active, step] = polygons.cut(active)
    here = polygons.alive.argmax(1)
    last = np.stack([here, polygons.after[rows, here], polygons.before[rows, here]], 1)
    found[rows, counts - 3] = last
    return found


class _Ears:
    """The corners that are left of each polygon, and which of them are ears."""

    def __init__(self, flat: Array, counts: Array) -> None:
        size = flat.shape[1]
        column = np.arange(size)
        self.flat = flat
        self.alive = column < counts[:, None]
        self.before = np.where(column > 0, column - 1, counts[:, None] - 1)
        self.after = np.where(column + 1 < counts[:, None], column + 1, 0)
        self.turns = np.full(flat.shape[:2], -np.inf)
        self.is_ear = np.zeros(flat.shape[:2], bool)
        rows = np.arange(len(flat))
        for corner in range(size):
            there = rows[self.alive[:, corner]]
            self._measure(there, np.full(len(there), corner))
        for corner in range(size):
            there = rows[self.alive[:, corner]]
            self._test(there, np.full(len(there), corner))

    def cut(self, rows: Array) -> Array:
        """Cuts an ear of each of some polygons and returns its three corners."""
        ears = self.is_ear[rows]
        turns = np.where(self.alive[rows], self.turns[rows], -np.inf)
        here = np.where(ears.any(1), ears.argmax(1), turns.argmax(1))
        left, right = self.before[rows, here], self.after[rows, here]
        self.alive[rows, here] = self.is_ear[rows, here] = False
        self.after[rows, left], self.before[rows, right] = right, left
        for corner in (left, right):
            self._measure(rows, corner)
        for corner in (left, right):
            self._test(rows, corner)
        return np.stack([left, here, right], 1)

    def _triangle(self, rows: Array, corner: Array) -> tuple[Array, Array, Array]:
        around = self.before[rows, corner], corner, self.after[rows, corner]
        a, b, c = (self.flat[rows, each] for each in around)
        return a, b, c

    def _measure(self, rows: Array, corner: Array) -> None:
        """Twice the area of the triangle at a corner, positive if it turns left."""
        a, b, c = self._triangle(rows, corner)
        self.turns[rows, corner] = _cross(b - a, c - a)

    def _test(self, rows: Array, corner: Array) -> None:
        """Whether a corner is an ear."""
        a, b, c = self._triangle(rows, corner)
        # Only corners that turn inwards, or not at all, can lie in an ear.
        inwards = self.alive[rows] & (self.turns[rows] <= 2 * NO_AREA)
        points = self.flat[rows]
        inside = inwards
        for start, stop in ((a, b), (b, c), (c, a)):
            to = points - start[:, None]
            inside = inside & (_cross((stop - start)[:, None], to) >= 0) & (to != 0).any(-1)
        ears = (self.turns[rows, corner] > 2 * NO_AREA) & ~inside.any(1)
        self.is_ear[rows, corner] = ears


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
