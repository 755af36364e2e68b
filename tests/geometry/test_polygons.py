"""Polygons are covered by triangles exactly, whatever their shape and plane."""

from __future__ import annotations

import numpy as np
import pytest

from guidance.errors import InputError
from guidance.geometry.io import polygons as module
from guidance.geometry.io.polygons import Polygons, triangulate


def areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def shoelace(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def in_space(flat: np.ndarray, seed: int) -> np.ndarray:
    """Points of a plane turned and moved in space."""
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return np.column_stack([flat, np.zeros(len(flat))]) @ turned.T + 100 * turned[0]


def one(points: np.ndarray) -> np.ndarray:
    return triangulate(Polygons(np.arange(len(points)), np.array([len(points)])), points, "x")[0]


def zigzag(count: int, seed: int) -> np.ndarray:
    """A star-shaped polygon with corners at random distances."""
    angles = np.arange(count) * 2 * np.pi / count
    radius = np.random.default_rng(seed).uniform(0.1, 1, count)
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles)])


SHAPES = {
    "dart": np.array([[0, 0], [2, 1], [0, 2], [0.5, 1]], float),
    "l": np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], float),
    "comb": np.array([[0, 0], [5, 0], [5, 3], [4, 3], [4, 1], [3, 1], [3, 3], [2, 3], [2, 1],
                      [1, 1], [1, 3], [0, 3]], float),
    "spiral": np.array([[0, 0], [6, 0], [6, 6], [1, 6], [1, 2], [4, 2], [4, 4], [3, 4], [3, 3],
                        [2, 3], [2, 5], [5, 5], [5, 1], [0, 1]], float),
    **{f"zigzag of {count}": zigzag(count, count) for count in (5, 9, 17, 64, 200)},
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_polygons_are_covered_once(name: str) -> None:
    flat = SHAPES[name]
    for start in range(0, len(flat), max(1, len(flat) // 5)):
        for order in (1, -1):
            points = in_space(np.roll(flat, start, axis=0)[::order], start)
            triangles = one(points)
            assert len(triangles) == len(flat) - 2 and len(np.unique(triangles)) == len(flat)
            assert areas(points, triangles).sum() == pytest.approx(shoelace(flat), rel=1e-9)
            a, b, c = (points[triangles[:, corner]] for corner in range(3))
            normals = np.cross(b - a, c - a)
            assert (normals @ normals.sum(0) > 0).all()  # none is turned around


def test_convex_polygons_are_fans() -> None:
    angles = np.arange(6) * np.pi / 3
    points = in_space(np.column_stack([np.cos(angles), np.sin(angles)]), 0)
    assert one(points).tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]


def test_a_corner_within_an_edge_is_kept() -> None:
    flat = np.array([[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1]], float)
    for start in range(5):
        points = in_space(np.roll(flat, start, axis=0), start)
        assert areas(points, one(points)).min() > 0.2


def test_a_polygon_with_a_hole_along_a_bridge() -> None:
    points = in_space(np.array([[0, 0], [3, 0], [3, 3], [0, 3], [1, 1], [1, 2], [2, 2], [2, 1]]), 1)
    corners = np.array([0, 1, 2, 3, 0, 4, 5, 6, 7, 4])
    found, _ = triangulate(Polygons(corners, np.array([10])), points, "x")
    assert areas(points, corners[found]).sum() == pytest.approx(8)


def test_many_polygons_at_once_are_as_one_by_one() -> None:
    shapes = [in_space(zigzag(count, seed), seed) for seed, count in enumerate(range(3, 40))]
    points, counts = np.concatenate(shapes), np.array([len(shape) for shape in shapes])
    triangles, owner = triangulate(Polygons(np.arange(len(points)), counts), points, "x")
    assert np.array_equal(np.bincount(owner), counts - 2)
    together = np.bincount(owner, areas(points, triangles))
    assert together == pytest.approx([areas(shape, one(shape)).sum() for shape in shapes])


def test_degenerate_polygons_do_not_fail() -> None:
    for points in (np.zeros((7, 3)), np.ones((4, 3)) * np.arange(4)[:, None]):
        assert len(one(points)) == len(points) - 2
    bowtie = in_space(np.array([[0, 0], [1, 1], [1, 0], [0, 1.5], [-1, 0.2]], float), 2)
    assert len(one(bowtie)) == 3


def test_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WORK", 10)
    with pytest.raises(InputError, match="1 polygons that are not convex, with up to 12 corners"):
        one(in_space(SHAPES["comb"], 0))
