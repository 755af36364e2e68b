"""Colors, UV coordinates, materials and maps of a mesh that is deformed or stylized."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from guidance.errors import InputError
from guidance.generators.mesh.jacobians import DeformedMesh
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.generators.mesh.textured import TexturedMesh
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.geometry.io.maps import shown_colors
from guidance.meshes import Mesh
from tests.geometry.test_glb import File
from tests.geometry.test_mesh_io import glb
from tests.geometry.test_textured import picture

#: The sides of a cube, each with its own corners and the whole square.
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def cube(folder: Path, *, materials: int = 1, colors: bool = False) -> Mesh:
    """A cube with a seam along each edge, an opaque grey base color map and a normal map."""
    sides = []
    for axis in range(3):
        for end in (-1.0, 1.0):
            flat = np.insert(2 * SQUARE - 1, axis, end, axis=1)
            sides.append(flat if (end > 0) == (axis != 1) else flat[::-1])
    points = np.concatenate(sides)
    faces = np.concatenate([4 * side + np.array([[0, 1, 2], [0, 2, 3]]) for side in range(6)])
    file = File()
    attributes = {
        "POSITION": file.add(points.astype("<f4")),
        "TEXCOORD_0": file.add(np.tile(0.1 + 0.8 * SQUARE, (6, 1)).astype("<f4")),
    }
    if colors:
        attributes["COLOR_0"] = file.add(np.array([[255, 0, 255, 255]] * 24, "u1"))
    groups = np.array_split(faces, materials)
    file.told["meshes"] = [
        {
            "primitives": [
                {"attributes": attributes, "indices": file.add(group.reshape(-1)), "material": i}
                for i, group in enumerate(groups)
            ]
        }
    ]
    surface = {"baseColorTexture": {"index": 0}, "roughnessFactor": 0.3}
    bumpy = {"pbrMetallicRoughness": surface, "normalTexture": {"index": 1, "scale": 0.5}}
    file.told["materials"] = [
        bumpy | {"name": "secret", "extras": {"a": 1}, "alphaMode": "MASK"},
        {"pbrMetallicRoughness": {"baseColorFactor": [0.25, 1, 1, 0.5]}},
    ][:materials]
    file.told["samplers"] = [{"wrapS": 33071, "magFilter": 5}]
    file.told["textures"] = [{"source": 0, "sampler": 0}, {"source": 1}]
    file.told["images"] = [
        {"bufferView": file.view(picture(side)), "mimeType": "image/png", "uri": None}
        for side in (4, 8)
    ]
    path = folder / "given.glb"
    path.write_bytes(glb(file.told | {"buffers": [{"byteLength": len(file.binary)}]}, file.binary))
    return load_mesh(path).mesh


def uv_at(mesh: Mesh) -> set[tuple[float, ...]]:
    """The position and the UV coordinates of each corner."""
    assert mesh.uv is not None and mesh.face_uv is not None
    both = torch.cat([mesh.vertices[mesh.faces], mesh.uv[mesh.face_uv]], -1)
    return {tuple(row) for row in both.view(-1, 5).double().numpy().round(5).tolist()}


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    found = cube(tmp_path)
    assert len(found.vertices) == 8 and len(found.faces) == 12 and found.given is not None
    return found


def test_deformed_meshes_keep_uv_and_maps(mesh: Mesh, tmp_path: Path) -> None:
    generator = DeformedMesh(mesh, [0], DeformedMesh.Options(edge_length=0.7))
    with torch.no_grad():
        generator.jacobians.copy_(
            torch.diag(torch.tensor([2.0, 1, 1])).expand_as(generator.jacobians)
        )
    names = {path.name for path in generator.export(tmp_path, 0)}
    assert {"mesh.glb", "mesh.obj", "mesh.mtl", "mesh_map_0.png", "mesh_map_1.png"} <= names
    found = load_mesh(tmp_path / "mesh.glb").mesh
    assert found.given is not None and mesh.given is not None
    assert (
        found.given == replace(mesh.given, materials=found.given.materials)
        and found.given.materials == mesh.given.materials
    )
    assert found.colors is None  # the map alone
    assert len(found.faces) > len(mesh.faces)
    low = float(found.vertices[:, 0].min())
    scale = 2 / float(found.vertices[:, 0].max() - low)
    back = found.vertices * torch.tensor([scale, 1, 1])
    back = replace(found, vertices=back - back.mean(0))
    assert uv_at(mesh) <= uv_at(back)  # the given corners, moved
    for name in ("mesh.glb", "mesh.obj"):  # another reader finds the map
        made = trimesh.load(tmp_path / name, process=False, force="mesh")
        image = getattr(made.visual.material, "baseColorTexture", None)
        image = made.visual.material.image if image is None else image
        assert image.size == (4, 4) and made.visual.uv is not None


def test_a_stored_deformation_has_the_maps(mesh: Mesh, tmp_path: Path) -> None:
    generator = DeformedMesh(mesh, [0], DeformedMesh.Options(edge_length=2.0))
    generator.export(tmp_path, 0)
    stored = Deformation.load(tmp_path / "deformation.npz")
    rest = stored.at(0.0)
    assert rest.given is not None and mesh.given is not None
    assert rest.given.images == mesh.given.images
    assert rest.colors is None and uv_at(rest) == uv_at(mesh)
    torch.testing.assert_close(stored.shown_colors, torch.full((8, 3), 200 / 255))


def test_stylized_meshes_have_colors_beside_uv_and_other_maps(mesh: Mesh, tmp_path: Path) -> None:
    generator = StylizedMesh(mesh, [0], StylizedMesh.Options(edge_length=2.0))
    assert generator.notes == ("base color maps are replaced by colors of vertices",)
    generator.export(tmp_path, 0)
    found = load_mesh(tmp_path / "mesh.glb").mesh
    assert found.colors is not None and found.given is not None
    (material,) = found.given.materials
    assert material["pbrMetallicRoughness"] == {"roughnessFactor": 0.3}
    assert material["normalTexture"] == {"index": 0, "scale": 0.5}
    assert [content for _, content in found.given.images] == [picture(8)]
    assert {row[3:] for row in uv_at(found)} == {row[3:] for row in uv_at(mesh)}
    torch.testing.assert_close(found.colors, generator.mesh(0).colors, atol=1e-5, rtol=0)


def test_several_materials_and_factors_are_kept(tmp_path: Path) -> None:
    mesh = cube(tmp_path, materials=2, colors=True)
    assert mesh.colors is not None and mesh.face_material is not None
    shown = shown_colors(mesh)
    assert shown is not None and not torch.equal(shown, mesh.colors)
    again = load_mesh(save_mesh(mesh, tmp_path / "again.glb")).mesh
    assert again.given is not None and again.face_material is not None
    assert torch.equal(again.face_material, mesh.face_material)
    torch.testing.assert_close(again.colors, mesh.colors, atol=1e-6, rtol=0)
    second = again.given.materials[1]["pbrMetallicRoughness"]
    assert second == {"baseColorFactor": [1, 1, 1, 0.5]}  # the color itself lies at the vertices
    with pytest.raises(InputError, match="has 2 materials, and texture maps are read from one"):
        load_mesh(tmp_path / "again.glb", maps=True)


def test_nothing_unknown_of_a_material_is_written(mesh: Mesh, tmp_path: Path) -> None:
    content = save_mesh(mesh, tmp_path / "again.glb").read_bytes()
    assert b"secret" not in content and b'"extras":{"a"' not in content
    assert mesh.given is not None
    assert mesh.given.textures == ({"source": 0, "sampler": {"wrapS": 33071}}, {"source": 1})
    assert mesh.given.materials[0]["alphaMode"] == "MASK"


def test_new_maps_replace_the_given_ones(mesh: Mesh, tmp_path: Path) -> None:
    options = TexturedMesh.Options(finest=4, texels=32, map_size=32)
    generator = TexturedMesh(mesh, [0], options)
    assert "its own texture maps are replaced" in generator.notes
    assert generator.mesh(0).given is None


def test_formats_without_maps_have_the_shown_colors(mesh: Mesh, tmp_path: Path) -> None:
    found = load_mesh(save_mesh(mesh, tmp_path / "mesh.ply")).mesh.colors
    assert found is not None
    torch.testing.assert_close(found, torch.full((8, 3), 200 / 255))
