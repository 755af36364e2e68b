"""Nested dissection: a permutation that gives small factors."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array, eye_array, kron
from scipy.sparse.linalg import splu

from guidance.geometry.nested_dissection import LEAF, nested_dissection


def grid(side: int) -> tuple[csc_array, np.ndarray]:
    """The Laplacian of a square grid, and where its points are."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(side), np.arange(side)))
    line = eye_array(side, k=1) + eye_array(side, k=-1)
    one = eye_array(side)
    links = kron(line, one) + kron(one, line)
    return csc_array(4.5 * eye_array(side**2) - links), np.stack([x, y, 0 * x], 1).astype(float)


def entries(matrix: csc_array, order: np.ndarray) -> int:
    turned = csc_array(matrix[order][:, order])
    options = {"SymmetricMode": True}
    return int(splu(turned, permc_spec="NATURAL", diag_pivot_thresh=0.0, options=options).L.nnz)


def test_it_is_a_permutation_that_keeps_factors_short() -> None:
    matrix, places = grid(50)
    order = nested_dissection(matrix, places)
    assert sorted(order.tolist()) == list(range(2500))
    # Row by row, the factor fills the band: 50 entries a point, less at the ends.
    assert entries(matrix, np.arange(2500)) > 100_000
    assert entries(matrix, order) < 70_000


def test_the_two_halves_meet_in_the_last_ones_only() -> None:
    matrix, places = grid(12)
    order = nested_dissection(matrix, places)
    cut, rest = order[-12:], order[:-12]  # a column of the grid
    assert len(set(places[cut, 0])) == 1 or len(set(places[cut, 1])) == 1
    axis = 0 if len(set(places[cut, 0])) == 1 else 1
    wall = places[cut[0], axis]
    right = places[rest, axis] > wall
    between = matrix[rest[right]][:, rest[~right]]
    assert between.nnz == 0


def test_small_and_scattered_sets_are_left_as_they_are() -> None:
    matrix, places = grid(7)
    assert len(places) < LEAF
    assert nested_dissection(matrix, places).tolist() == list(range(49))
    same = np.zeros((200, 3))  # all at one place, none a neighbor of another
    order = nested_dissection(csc_array(eye_array(200)), same)
    assert sorted(order.tolist()) == list(range(200))
