"""Selections of meshes: boxes, masks over the UV square, chosen faces."""

from __future__ import annotations

import torch

from guidance.geometry.primitives import octahedron
from guidance.geometry.selection import Box, Selection, free_vertices
from guidance.meshes import Mesh


def squares() -> Mesh:
    """Four squares in a row along x, from 0 to 4, whose texture coordinates are x / 4 and y."""
    places = torch.tensor([[x, y, 0.0] for x in range(5) for y in range(2)])
    faces = [face for i in range(0, 8, 2) for face in ((i, i + 2, i + 3), (i, i + 3, i + 1))]
    uv = places[:, :2] / torch.tensor([4.0, 1.0])
    corners = torch.tensor(faces)
    return Mesh(places, corners, uv=uv, face_uv=corners)


def test_a_box_holds_faces_that_lie_in_it_as_a_whole() -> None:
    found = Selection(boxes=(Box((1.0, 0.0, -1.0), (3.2, 1.0, 1.0)),)).faces(squares())
    assert found.tolist() == [False, False, True, True, True, True, False, False]


def test_a_mask_goes_by_the_texture_square() -> None:
    mask = torch.zeros(2, 8)
    mask[:, 4:] = 1.0
    mesh = squares()
    found = Selection(masks=(mask,)).faces(mesh)
    assert found.tolist() == [False] * 4 + [True] * 4
    mask[1, 6:] = 0.0  # below the middle of the last square
    assert Selection(masks=(mask,)).faces(mesh).tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert mesh.uv is not None
    again = Mesh(mesh.vertices, mesh.faces, uv=mesh.uv + 3.0, face_uv=mesh.face_uv)
    assert torch.equal(Selection(masks=(mask,)).faces(again), Selection(masks=(mask,)).faces(mesh))


def test_several_add_up() -> None:
    chosen = torch.zeros(8, dtype=torch.bool)
    chosen[7] = True
    box = Box((-1.0, -1.0, -1.0), (1.0, 2.0, 1.0))
    found = Selection(boxes=(box,), chosen=chosen).faces(squares())
    assert found.tolist() == [True, True] + [False] * 5 + [True]


def test_vertices_are_free_where_all_their_faces_are_inside() -> None:
    mesh = squares()
    inside = Selection(boxes=(Box((0.0, 0.0, 0.0), (2.0, 1.0, 0.0)),)).faces(mesh)
    free = free_vertices(mesh.faces, inside, len(mesh.vertices) + 1)
    assert free.nonzero()[:, 0].tolist() == [0, 1, 2, 3]  # x = 2 belongs to the next square too
    everywhere = torch.ones(8, dtype=torch.bool)
    assert free_vertices(octahedron().faces, everywhere, 6).all()


def test_texels_go_by_their_own_places_and_black_ones_stay_at_any_size() -> None:
    triangle = torch.zeros(16, 16, dtype=torch.long)
    places = torch.zeros(16, 16, 3)
    places[..., 0] = torch.arange(16) / 4
    box = Selection(boxes=(Box((1.0, -1.0, -1.0), (2.0, 1.0, 1.0)),)).texels(triangle, places)
    assert (box == ((places[..., 0] >= 1) & (places[..., 0] <= 2))).all()
    mask = torch.zeros(4, 4)
    mask[1:3, 1:3], mask[0, 0] = 1.0, 0.5
    soft = Selection(masks=(mask,)).texels(triangle, places)
    black = (mask == 0).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert (soft[black] == 0).all() and (soft[~black] > 0).all() and soft.max() == 1
    assert torch.equal(Selection(masks=(mask,)).texels(triangle[:4, :4], places[:4, :4]), mask)
    chosen = Selection(chosen=torch.tensor([False, True]))
    triangle[3, 5] = 1
    assert chosen.texels(triangle, places).nonzero().tolist() == [[3, 5]]
