"""Export formats, and the note on whether a mesh can be printed."""

from __future__ import annotations

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.io.export import parse_formats, printing_note
from guidance.geometry.primitives import octahedron, primitive


def test_formats_are_parsed() -> None:
    assert parse_formats("glb, STL,ply,glb") == ("glb", "stl", "ply")
    assert parse_formats("obj,glb") == ("obj", "glb")
    with pytest.raises(InputError, match="unknown format 'fbx'; use glb, obj, ply, stl"):
        parse_formats("glb,fbx")
    with pytest.raises(InputError, match="glb is missing, which `guide eval` reads; add it"):
        parse_formats("obj")


def test_defects_for_printing_are_counted() -> None:
    faces = primitive("torus").faces
    assert printing_note(faces) == "mesh.stl: watertight"
    assert "(1 hole); close it" in printing_note(octahedron().faces[1:])
    assert "(2 holes)" in printing_note(torch.cat([faces[:5], faces[6:-5], faces[-4:]]))
    fin = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    assert "1 edge with more than two faces" in printing_note(fin)
    turned = octahedron().faces.clone()
    turned[0] = turned[0].flip(0)
    assert "(neighboring faces with opposite orientation)" in printing_note(turned)
