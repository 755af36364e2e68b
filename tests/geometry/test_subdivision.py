"""Subdivision and the built-in shapes."""

from __future__ import annotations

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.primitives import PRIMITIVES, primitive
from guidance.geometry.subdivision import subdivide, subdivide_within
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
    with pytest.raises(InputError, match="increase the edge length"):
        subdivide(primitive("cube"), 1e-4)
    with pytest.raises(InputError, match="above 0"):
        subdivide(primitive("cube"), 0.0)


def open_fan() -> Mesh:
    """A square of two triangles, and a triangle beyond each of its four sides."""
    corners = [[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    beyond = [[0.5, -1, 0], [2, 0.5, 0], [0.5, 2, 0], [-1, 0.5, 0]]
    around = [[side, 4 + side, (side + 1) % 4] for side in range(4)]
    return Mesh(torch.tensor(corners + beyond), torch.tensor([[0, 1, 2], [0, 2, 3], *around]))


def test_outside_faces_stay_and_inside_ones_are_split_without_cracks() -> None:
    mesh = open_fan()
    inside = torch.tensor([True, True, False, False, False, False])
    fine, found = subdivide_within(mesh, 0.1, inside)
    outside = {tuple(face) for face in fine.faces[~found].tolist()}
    assert outside == {tuple(face) for face in mesh.faces[2:].tolist()}
    assert torch.equal(fine.vertices[:8], mesh.vertices)
    assert found.sum() > 10 and area(fine) == pytest.approx(area(mesh), rel=1e-5)
    assert int((edge_sides(fine.faces).counts() == 1).sum()) == 8  # the border of the whole
    corners = fine.vertices[fine.faces[found]]
    assert (corners.roll(-1, 1) - corners).norm(dim=-1).max() <= 1.0  # the square's own sides


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_part_of_a_mesh_is_refined_as_the_whole_would_be(share: float) -> None:
    mesh = primitive("torus")
    inside = mesh.vertices[mesh.faces][:, :, 0].amax(1) < 2 * share - 1
    fine, found = subdivide_within(mesh, 0.03, inside)
    assert edge_sides(fine.faces).is_closed()
    assert int((~found).sum()) == int((~inside).sum())
    others, of_others = subdivide_within(mesh, 0.03, ~inside)
    assert edge_sides(others.faces).is_closed()
    both = int(found.sum() + of_others.sum())
    whole = len(subdivide(mesh, 0.03).faces)
    assert both == pytest.approx(whole, rel=0.05)  # but for the line between the two


def test_the_sphere_is_an_icosahedron_whose_faces_are_cut_into_four() -> None:
    """As trimesh makes it, whose z axis is the y axis here."""
    import trimesh

    theirs = trimesh.creation.icosphere(subdivisions=4)
    x, y, z = torch.tensor(theirs.vertices, dtype=torch.float32).unbind(1)
    made, wanted = primitive("sphere"), torch.stack([x, z, -y], 1)
    assert made.vertices.shape == wanted.shape
    distance, same = torch.cdist(made.vertices, wanted).min(1)
    assert distance.max() < 1e-3  # cdist rounds
    assert (made.vertices - wanted[same]).abs().max() < 1e-6
    ours, others = (
        {tuple(face[face.index(min(face)) :] + face[: face.index(min(face))]) for face in faces}
        for faces in (same[made.faces].tolist(), theirs.faces.tolist())
    )
    assert ours == others
