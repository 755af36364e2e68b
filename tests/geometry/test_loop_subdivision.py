"""Loop subdivision: its rules and invariants."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.loop_subdivision import LoopSubdivision, middles, quartered
from guidance.geometry.octasphere import octasphere
from guidance.geometry.primitives import octahedron
from guidance.geometry.topology import edge_sides
from guidance.meshes import Mesh


def subdivided(mesh: Mesh) -> tuple[LoopSubdivision, torch.Tensor]:
    found = LoopSubdivision.of(mesh.faces, len(mesh.vertices))
    return found, found(mesh.vertices[None].double())[0]


def test_an_octahedron_by_hand() -> None:
    """Four neighbors: b = (5/8 - (3/8)^2) / 4; all of them cancel but for the vertex itself."""
    _, places = subdivided(octahedron())
    share = (5 / 8 - (3 / 8) ** 2) / 4
    assert torch.allclose(places[:6], (1 - 4 * share) * octahedron().vertices.double())
    # An edge's ends are 3/8 each; the corners across it are opposite to one another.
    ends = octahedron().vertices.double()[edge_sides(octahedron().faces).edges]
    assert torch.allclose(places[6:], 3 / 8 * ends.sum(1))


@pytest.mark.parametrize("segments", [1, 3, 8])
def test_it_cuts_each_face_in_four_and_keeps_their_way(segments: int) -> None:
    mesh = octasphere(segments)
    found, places = subdivided(mesh)
    assert len(found.faces) == 4 * len(mesh.faces)
    assert edge_sides(found.faces).is_closed()
    a, b, c = (places[corner] for corner in found.faces.unbind(1))
    assert ((torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(1) > 0).all()


def test_shifts_and_turns_go_through() -> None:
    mesh = octasphere(3)
    found, places = subdivided(mesh)
    matrix = torch.tensor([[1.0, 0.4, 0], [0, 2, 0.1], [0.3, 0, 1]]).double()
    moved = mesh.vertices.double() @ matrix + 5
    assert torch.allclose(found(moved[None])[0], places @ matrix + 5)


def test_its_gradient_is_that_of_its_value() -> None:
    found, _ = subdivided(octahedron())
    values = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(found, (values,))


def test_coordinates_go_by_straight_lines() -> None:
    mesh = octasphere(4)
    assert mesh.uv is not None and mesh.face_uv is not None
    uv, face_uv = middles(mesh.uv, mesh.face_uv), quartered(mesh.face_uv)
    corners = uv[face_uv].view(len(mesh.faces), 4, 3, 2)
    assert torch.equal(corners[:, 0, 0], mesh.uv[mesh.face_uv[:, 0]])
    whole = mesh.uv[mesh.face_uv].mean(1)
    assert torch.allclose(corners[:, 3].mean(1), whole, atol=1e-6), "the one in the middle"
    found, places = subdivided(mesh)
    twins = torch.stack([found.faces.flatten(), face_uv.flatten()], 1).unique(dim=0)
    assert len(twins) == len(uv), "a place in the map is one vertex"
    assert math.isclose(float(places.norm(dim=1).mean()), 1.0, abs_tol=0.06)


def test_open_meshes_are_refused() -> None:
    with pytest.raises(
        InputError, match="LoopSubdivision: expected a closed, consistently oriented mesh"
    ):
        LoopSubdivision.of(octahedron().faces[:-1], 6)
