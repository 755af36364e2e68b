"""Subdivision and the built-in shapes."""

from __future__ import annotations

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.primitives import PRIMITIVES, primitive
from guidance.geometry.subdivision import subdivide
from guidance.geometry.topology import edge_sides, unique_edges
from guidance.meshes import Mesh


def lengths(mesh: Mesh) -> torch.Tensor:
    ends = mesh.vertices[unique_edges(mesh.faces)]
    return (ends[:, 0] - ends[:, 1]).norm(dim=-1)


def area(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return float(torch.linalg.cross(b - a, c - a).norm(dim=-1).sum() / 2)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_shapes_are_closed_oriented_outwards_and_of_radius_1(name: str) -> None:
    mesh = primitive(name)
    assert edge_sides(mesh.faces).is_closed()
    assert mesh.vertices.norm(dim=-1).max() == pytest.approx(1, abs=1e-5)
    assert torch.linalg.det(mesh.vertices[mesh.faces]).sum() > 0
    assert 2_000 < len(mesh.faces) < 12_000


def test_a_cone_stands_upright() -> None:
    vertices = primitive("cone").vertices
    high, low = vertices[vertices[:, 1] > 0.5], vertices[vertices[:, 1] < -0.5]
    assert high[:, [0, 2]].norm(dim=-1).max() < 0.5 < low[:, [0, 2]].norm(dim=-1).max()


@pytest.mark.parametrize("edge_length", [0.05, 0.3, 0.9])
def test_long_edges_are_split_without_cracks(edge_length: float) -> None:
    vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 0.4, 0], [0, 0, 1]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    mesh = Mesh(vertices, faces, vertices / 3)
    fine = subdivide(mesh, edge_length)
    assert lengths(fine).max() <= edge_length
    assert edge_sides(fine.faces).is_closed()
    assert area(fine) == pytest.approx(area(mesh), rel=1e-4)
    assert torch.equal(fine.vertices[:4], vertices)
    torch.testing.assert_close(fine.colors, fine.vertices / 3)  # linear, so means are exact


def test_short_edges_stay() -> None:
    mesh = primitive("sphere")
    same = subdivide(mesh, 0.2)
    assert torch.equal(same.vertices, mesh.vertices) and torch.equal(same.faces, mesh.faces)


def test_too_many_vertices_are_refused_before_they_are_made() -> None:
    with pytest.raises(InputError, match="ask for longer edges"):
        subdivide(primitive("cube"), 1e-4)
    with pytest.raises(InputError, match="above 0"):
        subdivide(primitive("cube"), 0.0)
