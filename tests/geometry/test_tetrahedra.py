"""Marching tetrahedra: closed surfaces at distance 0, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.tetrahedra import EDGES, TRIANGLES, TetrahedralGrid, march
from guidance.geometry.topology import edge_sides

GRID = TetrahedralGrid.of(12, 1.0)


def ball(grid: TetrahedralGrid, radius: float = 0.7) -> Tensor:
    return grid.places.norm(dim=1) - radius


def torus(grid: TetrahedralGrid) -> Tensor:
    x, y, z = grid.places.unbind(1)
    return (((x * x + z * z).sqrt() - 0.55).square() + y * y).sqrt() - 0.25


def euler(vertices: Tensor, faces: Tensor) -> int:
    return len(vertices) - len(edge_sides(faces).edges) + len(faces)


def volume(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (vertices[corner] for corner in faces.unbind(1))
    return (torch.linalg.cross(a, b) * c).sum() / 6


def test_tetrahedra_are_of_one_shape_and_right_handed() -> None:
    a, b, c, d = (GRID.places.double()[corner] for corner in GRID.tetrahedra.unbind(1))
    size = (torch.linalg.cross(b - a, c - a) * (d - a)).sum(1) / 6
    assert torch.allclose(size, torch.full_like(size, GRID.spacing**3 / 12), rtol=1e-5)
    pairs = torch.stack([GRID.tetrahedra[:, list(edge)] for edge in EDGES], 1)
    assert torch.equal(GRID.edges[GRID.tetrahedron_edges], pairs.sort(-1).values)
    assert len(GRID.edges.unique(dim=0)) == len(GRID.edges)


def test_inside_the_border_all_space_is_filled() -> None:
    """Around a vertex that is not at the border, tetrahedra make up a whole ball."""
    whole = torch.zeros(len(GRID.places), dtype=torch.float64)
    corners = GRID.places.double()[GRID.tetrahedra]
    for corner in range(4):
        legs = corners[:, [i for i in range(4) if i != corner]] - corners[:, corner : corner + 1]
        lengths = legs.norm(dim=-1)
        triple = torch.linalg.det(legs).abs()
        dots = (legs * legs.roll(1, 1)).sum(-1)  # of each leg and the one before
        below = lengths.prod(1) + (dots * lengths.roll(-1, 1)).sum(1)
        angle = 2 * torch.atan2(triple, below)
        whole.index_add_(0, GRID.tetrahedra[:, corner], angle)
    full = torch.full_like(whole, 4 * math.pi)
    assert torch.allclose(whole[~GRID.border], full[~GRID.border], atol=1e-4)
    assert (whole[GRID.border] < full[GRID.border] - 0.1).all()


def test_each_set_of_inside_corners_has_the_triangles_of_its_cuts() -> None:
    for code in range(16):
        inside = {i for i in range(4) if code >> i & 1}
        cuts = {k for k, (i, j) in enumerate(EDGES) if (i in inside) != (j in inside)}
        used = set(TRIANGLES[code].flatten().tolist()) - {-1}
        assert used == cuts


def test_a_ball_is_a_closed_sphere_of_its_size() -> None:
    vertices, faces = march(GRID, ball(GRID), GRID.places)
    assert edge_sides(faces).is_closed() and euler(vertices, faces) == 2
    assert (vertices.norm(dim=1) - 0.7).abs().max() < 0.02
    assert math.isclose(float(volume(vertices, faces)), 4 / 3 * math.pi * 0.7**3, rel_tol=0.03)


def test_a_torus_has_its_hole() -> None:
    vertices, faces = march(GRID, torus(GRID), GRID.places)
    assert edge_sides(faces).is_closed() and euler(vertices, faces) == 0
    assert volume(vertices, faces) > 0


def test_any_distances_give_a_closed_surface_if_the_border_is_outside() -> None:
    random = torch.randn(len(GRID.places), generator=torch.Generator().manual_seed(0))
    vertices, faces = march(GRID, torch.where(GRID.border, 1.0, random), GRID.places)
    assert edge_sides(faces).is_closed() and volume(vertices, faces) > 0


@pytest.mark.parametrize("distance", [-1.0, 1.0])
def test_nothing_or_everything_inside_has_no_surface(distance: float) -> None:
    found = march(GRID, torch.full((len(GRID.places),), distance), GRID.places)
    assert [len(part) for part in found] == [0, 0]


def test_distances_of_exactly_0_are_outside() -> None:
    grid = TetrahedralGrid.of(4, 1.0)
    distances = torch.ones(len(grid.places))
    distances[grid.places.norm(dim=1) < 0.6] = 0.0
    assert len(march(grid, distances, grid.places)[1]) == 0


def test_gradients_are_those_of_the_places() -> None:
    grid = TetrahedralGrid.of(4, 1.0)
    distances = ball(grid, 0.63).double().requires_grad_()
    places = grid.places.double().requires_grad_()
    weights = torch.randn(march(grid, distances, places)[0].shape).double()

    def value(distances: Tensor, places: Tensor) -> Tensor:
        return (march(grid, distances, places)[0] * weights).sum()

    assert torch.autograd.gradcheck(value, (distances, places), fast_mode=True, eps=1e-7)


def test_a_surface_grows_where_distances_fall() -> None:
    distances = ball(GRID).requires_grad_()
    volume(*march(GRID, distances, GRID.places)).backward()
    assert distances.grad is not None
    at_surface = distances.grad != 0
    assert (distances.grad[at_surface] < 0).double().mean() > 0.99


def test_mirrors_find_their_twins() -> None:
    twin = GRID.mirrored()
    mirror = torch.tensor([-1.0, 1, 1])
    assert torch.allclose(GRID.places[twin], GRID.places * mirror, atol=1e-6)


@pytest.mark.parametrize("cells", [1, 81])
def test_sizes_that_make_no_sense_are_refused(cells: int) -> None:
    with pytest.raises(InputError, match=f"expected 2 to 80 cells, got {cells}"):
        TetrahedralGrid.of(cells, 1.0)
