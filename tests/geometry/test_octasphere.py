"""The sphere that unfolds into one square."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.octasphere import MARGIN, octasphere
from guidance.geometry.topology import edge_sides

SIZES = (1, 2, 5, 16)


@pytest.mark.parametrize("segments", SIZES)
def test_it_is_a_closed_sphere_whose_faces_look_outwards(segments: int) -> None:
    mesh = octasphere(segments)
    assert mesh.vertices.shape == (4 * segments**2 + 2, 3)
    assert mesh.faces.shape == (8 * segments**2, 3)
    sides = edge_sides(mesh.faces)
    assert sides.is_closed()
    assert len(mesh.vertices) - len(sides.edges) + len(mesh.faces) == 2
    assert torch.allclose(mesh.vertices.norm(dim=1), torch.ones(len(mesh.vertices)))
    a, b, c = (mesh.vertices[corner] for corner in mesh.faces.unbind(1))
    assert ((torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(1) > 0).all()


def test_triangles_are_nearly_equal_and_edges_as_long_as_said() -> None:
    mesh = octasphere(16)
    a, b, c = (mesh.vertices[corner].double() for corner in mesh.faces.unbind(1))
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    assert 1.7 < area.max() / area.min() < 1.8
    one, other = (mesh.vertices[end] for end in edge_sides(mesh.faces).edges.unbind(1))
    lengths = (one - other).norm(dim=1) / (math.pi / 2 / 16)
    assert lengths.min() > 0.99 and lengths.max() < 1.5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_it_is_its_own_mirror_image_to_the_bit(axis: int) -> None:
    places = octasphere(5).vertices
    mirrored = places.clone()
    mirrored[:, axis] *= -1
    assert {tuple(row) for row in (places + 0.0).tolist()} == {
        tuple(row) for row in (mirrored + 0.0).tolist()
    }


@pytest.mark.parametrize("segments", SIZES)
def test_its_coordinates_fill_a_square_without_overlap_or_mirrors(segments: int) -> None:
    mesh = octasphere(segments)
    assert mesh.uv is not None and mesh.face_uv is not None
    corners = mesh.uv.double()[mesh.face_uv]
    first, second = (corners[:, 1] - corners[:, 0]), (corners[:, 2] - corners[:, 0])
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    assert (area < 0).all(), "v runs downwards, so faces run clockwise"
    assert torch.allclose(area, area[:1], atol=1e-7)
    assert math.isclose(-float(area.sum()), (1 - 2 * MARGIN) ** 2, rel_tol=1e-6)
    assert math.isclose(float(mesh.uv.min()), MARGIN) and mesh.uv.max() == 1 - MARGIN


def test_only_cuts_on_the_lower_half_have_two_places_in_the_square() -> None:
    mesh = octasphere(6)
    assert mesh.uv is not None and mesh.face_uv is not None
    pairs = torch.unique(torch.stack([mesh.faces.flatten(), mesh.face_uv.flatten()], 1), dim=0)
    assert len(pairs) == len(mesh.uv), "a place in the square is one vertex"
    cut = torch.bincount(pairs[:, 0]) > 1
    x, y, z = mesh.vertices[cut].unbind(1)
    assert (y < -1e-3).all() and ((x.abs() < 1e-6) | (z.abs() < 1e-6)).all()
    top = mesh.vertices[:, 1].argmax()
    found = mesh.uv[pairs[pairs[:, 0] == top][0, 1]]
    assert torch.allclose(found, torch.tensor([0.5, 0.5])), "the upper pole is in the middle"


@pytest.mark.parametrize("segments", [0, 317])
def test_sizes_that_make_no_sense_are_refused(segments: int) -> None:
    with pytest.raises(InputError, match=f"octasphere: expected 1 to 316 segments, got {segments}"):
        octasphere(segments)
