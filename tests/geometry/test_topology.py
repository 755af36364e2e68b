"""Edges and faces, by hand and by Euler's formula."""

from __future__ import annotations

import torch

from guidance.geometry.topology import boundary_loops, edge_sides, face_pairs, unique_edges

TETRAHEDRON = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
#: Two triangles of a square, and a third one that stands on their common edge.
SQUARE = torch.tensor([[0, 1, 2], [0, 2, 3]])
FIN = torch.cat([SQUARE, torch.tensor([[0, 2, 4]])])


def test_edges_come_once_and_in_order() -> None:
    assert unique_edges(TETRAHEDRON).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert unique_edges(SQUARE).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]


def test_sides_tell_faces_and_direction() -> None:
    sides = edge_sides(SQUARE)
    assert sides.counts().tolist() == [1, 2, 1, 1, 1]
    assert sides.faces[sides.start[1] : sides.start[2]].tolist() == [0, 1]
    assert sides.along[sides.start[1] : sides.start[2]].tolist() == [-1, 1]


def test_a_mesh_is_closed_only_where_its_faces_agree() -> None:
    assert edge_sides(TETRAHEDRON).is_closed()
    assert not edge_sides(SQUARE).is_closed()
    flipped = TETRAHEDRON.clone()
    flipped[0] = flipped[0].flip(0)
    assert not edge_sides(flipped).is_closed()


def test_face_pairs_chain_the_faces_of_an_edge() -> None:
    assert face_pairs(SQUARE).tolist() == [[0, 1]]
    assert face_pairs(FIN).tolist() == [[0, 1], [1, 2]]
    assert len(face_pairs(TETRAHEDRON)) == 6


def test_holes_are_counted() -> None:
    assert boundary_loops(TETRAHEDRON) == 0
    assert boundary_loops(SQUARE) == 1
    assert boundary_loops(torch.cat([SQUARE, SQUARE + 4])) == 2


def test_an_edge_from_a_vertex_to_itself_is_no_edge() -> None:
    assert unique_edges(torch.tensor([[0, 0, 1]])).tolist() == [[0, 1]]
    assert unique_edges(torch.zeros(0, 3, dtype=torch.long)).shape == (0, 2)
