"""UV coordinates and texture maps: preserved by repairs, written to GLB and OBJ, read back."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import trimesh
from PIL import Image
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io import maps
from guidance.geometry.io.files import load_mesh, save_mesh, save_textured_obj
from guidance.geometry.primitives import octahedron, primitive
from guidance.geometry.unwrap import with_uv
from guidance.media import image_bounds
from guidance.meshes import Material, Mesh
from tests.geometry.test_mesh_io import glb, write

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
CORNERS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def material(side: int = 8) -> Material:
    random = torch.Generator().manual_seed(2)
    normal = (
        torch.randn(3, side, side, generator=random) * 0.3
        + torch.tensor([0, 0, 1.0])[:, None, None]
    )
    channels = torch.rand(5, side, side, generator=random)
    return Material(channels[:3], channels[3:4], channels[4:], F.normalize(normal, dim=0))


def textured(mesh: Mesh | None = None) -> Mesh:
    return replace(with_uv(octahedron() if mesh is None else mesh)[0], material=material())


def at_corners(mesh: Mesh) -> list[list[float]]:
    """What each corner is: its place and its texture coordinates, in the order of the faces."""
    assert mesh.uv is not None and mesh.face_uv is not None
    both = torch.cat([mesh.vertices[mesh.faces], mesh.uv[mesh.face_uv]], -1)
    return both.view(-1, 15).double().numpy().round(6).tolist()


def described(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def attribute(content: bytes, name: str) -> np.ndarray:
    told, binary = described(content)
    accessor = told["accessors"][told["meshes"][0]["primitives"][0]["attributes"][name]]
    view = told["bufferViews"][accessor["bufferView"]]
    width = int(accessor["type"][-1])
    flat = np.frombuffer(binary, "<f4", accessor["count"] * width, view["byteOffset"])
    return flat.reshape(-1, width)


def test_coordinates_of_obj_are_read_with_v_downwards(tmp_path: Path) -> None:
    mesh = load_mesh(write(tmp_path, SQUARE + CORNERS + "f 1/1/7 2/2 3/3 4/-1\n")).mesh
    assert mesh.uv is not None and mesh.face_uv is not None
    assert mesh.faces.tolist() == mesh.face_uv.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv.tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        ("f 1/1 2/2 3/3\nf 1 3 4\n", "dropped the UV coordinates, which some faces do not have"),
        ("f 1/1 2/2 3/9\n", "dropped the UV coordinates, because faces refer to missing"),
        ("f 1/1 2/2 3/5\nvt nan 0\n", "dropped the UV coordinates, which have NaN"),
    ],
)
def test_unusable_coordinates_are_left_out_with_a_note(
    lines: str, note: str, tmp_path: Path
) -> None:
    loaded = load_mesh(write(tmp_path, SQUARE + CORNERS + lines))
    assert loaded.mesh.uv is None and loaded.mesh.face_uv is None
    assert any(told.startswith(note) for told in loaded.notes)


def test_a_texture_index_of_zero_drops_the_coordinates(tmp_path: Path) -> None:
    loaded = load_mesh(write(tmp_path, SQUARE + CORNERS + "f 1/0 2/2 3/3\n"))
    assert loaded.mesh.uv is None and len(loaded.mesh.faces) == 1
    assert "dropped the UV coordinates, which some faces do not have" in loaded.notes


def test_repairs_keep_the_coordinates_of_corners(tmp_path: Path) -> None:
    good = textured()
    expected = at_corners(good)
    lines = [f"v {x} {y} {z}" for x, y, z in good.vertices.tolist()]
    lines += ["v 9 9 9"]  # no face uses it
    assert good.uv is not None and good.face_uv is not None
    lines += [f"vt {u} {1 - v}" for u, v in good.uv.tolist()]
    faces = [
        list(zip(*pair, strict=True))
        for pair in zip(good.faces.tolist(), good.face_uv.tolist(), strict=True)
    ]
    faces[2] = faces[2][::-1]  # turned against its neighbors
    words = [" ".join(f"{a + 1}/{b + 1}" for a, b in face) for face in faces]
    words.insert(1, "1/1 1/1 2/2")  # degenerate
    words.append(words[0])  # twice
    lines += [f"f {word}" for word in words]
    loaded = load_mesh(write(tmp_path, "\n".join(lines)))
    found = at_corners(loaded.mesh)
    assert len(loaded.notes) == 4
    assert np.allclose(sorted(map(sorted, found)), sorted(map(sorted, expected)), atol=1e-5)
    corners = torch.tensor(found).view(-1, 3, 5)
    whole = {tuple(np.round(row, 4)) for row in torch.tensor(expected).view(-1, 5).tolist()}
    assert {tuple(np.round(row, 4)) for row in corners.view(-1, 5).tolist()} == whole


def test_maps_come_back_from_glb_with_mesh_and_order(tmp_path: Path) -> None:
    mesh = textured(primitive("cube"))
    loaded = load_mesh(save_mesh(mesh, tmp_path / "mesh.glb"), maps=True)
    again = loaded.mesh
    assert torch.equal(again.vertices, mesh.vertices) and torch.equal(again.faces, mesh.faces)
    assert np.allclose(at_corners(again), at_corners(mesh), atol=1e-6)
    assert again.material is not None and mesh.material is not None
    for name, exact in vars(mesh.material).items():
        close = 0.5 / 255 if name != "normal" else 1.5 / 255
        assert (getattr(again.material, name) - exact).abs().max() <= close + 1e-6, name
    assert load_mesh(tmp_path / "mesh.glb").mesh.material is None
    assert again.given is not None and len(again.given.images) == 3


def test_glb_is_as_another_reader_expects_it(tmp_path: Path) -> None:
    mesh = textured()
    path = save_mesh(mesh, tmp_path / "mesh.glb")
    (made,) = trimesh.load_scene(path, process=False).geometry.values()
    pbr = made.visual.material
    assert mesh.material is not None and mesh.uv is not None and mesh.face_uv is not None
    assert np.asarray(pbr.baseColorTexture).shape[:2] == (8, 8)
    packed = np.asarray(pbr.metallicRoughnessTexture) / 255
    assert np.allclose(packed[..., 1], mesh.material.roughness[0], atol=1 / 255)
    assert np.allclose(packed[..., 2], mesh.material.metallic[0], atol=1 / 255)
    # trimesh's v goes upwards.
    found = np.stack([made.visual.uv[:, 0], 1 - made.visual.uv[:, 1]], 1)[made.faces]
    assert np.allclose(found, mesh.uv[mesh.face_uv], atol=1e-6)
    content = path.read_bytes()
    tangents, normals = attribute(content, "TANGENT"), attribute(content, "NORMAL")
    assert np.allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
    assert np.abs((tangents[:, :3] * normals).sum(1)).max() < 1e-5
    assert set(np.unique(tangents[:, 3])) <= {-1.0, 1.0}
    told, _ = described(content)
    assert all(view["byteOffset"] % 4 == 0 for view in told["bufferViews"])


def test_obj_brings_material_and_maps_with_safe_names(tmp_path: Path) -> None:
    mesh = textured()
    files = save_textured_obj(mesh, tmp_path / "my cow #1.obj")
    names = [path.name for path in files]
    assert names[0] == "my cow #1.obj" and names[1] == "my_cow__1.mtl" and len(names) == 6
    assert all(path.is_file() for path in files)
    library = files[1].read_text()
    for name in names[2:]:
        assert f" {name}\n" in library
    assert files[0].read_text().startswith("mtllib my_cow__1.mtl\nusemtl painted\n")
    again = load_mesh(files[0]).mesh
    assert torch.equal(again.vertices, mesh.vertices) and torch.equal(again.faces, mesh.faces)
    assert np.allclose(at_corners(again), at_corners(mesh), atol=1e-6)
    made = trimesh.load(files[0], process=False)  # another reader finds the map by the library
    assert mesh.material is not None
    picture = np.asarray(made.visual.material.image.convert("RGB")) / 255
    assert np.allclose(picture, mesh.material.base_color.permute(1, 2, 0), atol=0.6 / 255)
    assert save_mesh(mesh, tmp_path / "again.obj").is_file() and (tmp_path / "again.mtl").is_file()


def test_ply_with_coordinates_keeps_them(tmp_path: Path) -> None:
    lines = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    lines += "property float z\nproperty float s\nproperty float t\nelement face 1\n"
    lines += "property list uchar int vertex_indices\nend_header\n"
    lines += "0 0 0 0.1 0.2\n1 0 0 0.9 0.2\n0 1 0 0.1 0.7\n3 0 1 2\n"
    mesh = load_mesh(write(tmp_path, lines, "mesh.ply")).mesh
    assert mesh.uv is not None
    torch.testing.assert_close(mesh.uv, torch.tensor([[0.1, 0.8], [0.9, 0.8], [0.1, 0.3]]))


def test_maps_without_coordinates_are_not_written(tmp_path: Path) -> None:
    bare = Mesh(octahedron().vertices, octahedron().faces, material=material())
    with pytest.raises(InputError, match=r"texture maps need UV coordinates; create .*with_uv"):
        save_mesh(bare, tmp_path / "mesh.glb")
    with pytest.raises(InputError, match="the mesh has no texture maps; use save_mesh"):
        save_textured_obj(octahedron(), tmp_path / "mesh.obj")


def picture(side: int = 4) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 200, np.uint8)).save(file, "PNG")
    return file.getvalue()


def with_map(png: bytes, materials: list[dict[str, Any]], uv: bool = True) -> bytes:
    places = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    corners = np.array([[0, 0], [1, 0], [0, 1]], "<f4").tobytes()
    attributes = {"POSITION": 0} | ({"TEXCOORD_0": 1} if uv else {})
    return glb(
        {
            "asset": {"version": "2.0"},
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": attributes, "material": 0}]}],
            "materials": materials,
            "textures": [{"source": 0}],
            "images": [{"bufferView": 2, "mimeType": "image/png"}],
            "bufferViews": [
                {"buffer": 0, "byteOffset": 0, "byteLength": 36},
                {"buffer": 0, "byteOffset": 36, "byteLength": 24},
                {"buffer": 0, "byteOffset": 60, "byteLength": len(png)},
            ],
            "accessors": [
                {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
                {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"},
            ],
        },
        places + corners + png,
    )


def base(**more: Any) -> dict[str, Any]:
    return {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **more}}}


def test_factors_stand_for_maps_that_are_not_there(tmp_path: Path) -> None:
    surface = {"baseColorTexture": {"index": 0}, "roughnessFactor": 0.4, "metallicFactor": 0.0}
    content = with_map(picture(), [{"pbrMetallicRoughness": surface}])
    found = load_mesh(write(tmp_path, content), maps=True).mesh.material
    assert found is not None
    assert found.base_color.unique().tolist() == pytest.approx([200 / 255])
    assert found.roughness.unique().tolist() == pytest.approx([0.4])
    assert found.metallic.unique().tolist() == [0]
    assert found.normal.flatten(1).unique(dim=1).T.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            with_map(picture(), [base(), base()]),
            "has 2 materials, and",
        ),
        (
            with_map(picture(), [base(extensions={"KHR_texture_transform": {}})]),
            "texture transform",
        ),
        (with_map(picture()[:45], [base()]), "a texture map: not a readable image"),
    ],
)
def test_maps_that_cannot_be_read_are_told(content: bytes, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    assert load_mesh(path).mesh.uv is not None  # the mesh itself is whole
    with pytest.raises(InputError, match=message):
        load_mesh(path, maps=True)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (with_map(picture(), [base(texCoord=1)]), "dropped texture maps that use a second UV set"),
        (
            with_map(b"no image", [base()]),
            "dropped texture maps that are not readable as PNG or JPEG",
        ),
    ],
)
def test_maps_that_are_dropped_are_noted(content: bytes, note: str, tmp_path: Path) -> None:
    loaded = load_mesh(write(tmp_path, content), maps=True)
    assert loaded.mesh.material is None and loaded.mesh.given is None
    assert loaded.mesh.uv is not None and note in loaded.notes


def test_tinted_and_huge_maps_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tinted = base()
    tinted["pbrMetallicRoughness"]["baseColorFactor"] = [1, 0, 0, 1]
    with pytest.raises(InputError, match="has a base color factor, which is not supported"):
        load_mesh(write(tmp_path, with_map(picture(), [tinted])), maps=True)
    monkeypatch.setattr(image_bounds, "MAX_PIXELS", 15)
    with pytest.raises(InputError, match="a texture map: 4 x 4 pixels are more than"):
        load_mesh(write(tmp_path, with_map(picture(), [base()])), maps=True)


def test_parts_without_coordinates_are_told(tmp_path: Path) -> None:
    content = with_map(picture(), [base()])
    told, binary = described(content)
    told["nodes"].append({"mesh": 1, "translation": [5, 0, 0]})
    told["scenes"][0]["nodes"] = [0, 1]
    told["meshes"].append({"primitives": [{"attributes": {"POSITION": 0}}]})
    loaded = load_mesh(write(tmp_path, glb(told, binary)))
    assert loaded.mesh.uv is None
    assert "dropped the UV coordinates, which some parts do not have" in loaded.notes


def one_triangle(color: Tensor, uv: list[list[float]]) -> Mesh:
    plain = torch.ones_like(color[:1])
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    faces = torch.tensor([[0, 1, 2]])
    normal = torch.tensor([0.0, 0, 1])[:, None, None].expand_as(color)
    return Mesh(
        vertices, faces, None, torch.tensor(uv), faces, Material(color, plain, plain, normal)
    )


def test_vertices_take_the_base_colour_where_they_lie_in_the_map() -> None:
    color = torch.zeros(3, 2, 4)
    color[0, 0, 1] = 1  # one red texel, from u 0.25 to 0.5 and v 0 to 0.5
    color[2, 1, 3] = 1  # one blue texel, in the last corner
    middle, border, far = [0.375, 0.25], [0.5, 0.25], [1.375, -0.75]
    found = maps.vertex_colors(one_triangle(color, [middle, border, far]))
    assert torch.allclose(found, torch.tensor([[1.0, 0, 0], [0.5, 0, 0], [1, 0, 0]]))
    # At the map's own corner four texels meet, since maps repeat.
    found = maps.vertex_colors(one_triangle(color, [[0.0, 0.0], [1.0, 1.0], [0.875, 0.75]]))
    assert torch.allclose(found, torch.tensor([[0, 0, 0.25], [0, 0, 0.25], [0, 0, 1.0]]))


def test_a_vertex_on_a_seam_takes_the_mean_of_its_corners() -> None:
    color = torch.rand(3, 1, 2, generator=torch.Generator().manual_seed(3))
    mesh = one_triangle(color, [[0.25, 0.5], [0.75, 0.5]])
    mesh = replace(
        mesh,
        faces=torch.tensor([[0, 1, 2], [0, 2, 1]]),
        face_uv=torch.tensor([[0, 1, 1], [1, 1, 1]]),
    )
    left, right = color[:, 0].T
    found = maps.vertex_colors(mesh)
    assert torch.allclose(found, torch.stack([(left + right) / 2, right, right]))


@pytest.mark.parametrize("suffix", [".ply", ".off", ".stl"])
def test_formats_without_maps_get_colours_of_vertices(suffix: str, tmp_path: Path) -> None:
    mesh = textured()
    found = load_mesh(save_mesh(mesh, tmp_path / f"mesh{suffix}")).mesh
    assert found.material is None and len(found.faces) == len(mesh.faces)
    if suffix == ".stl":
        assert found.colors is None
    else:
        assert found.colors is not None
        assert torch.allclose(found.vertices, mesh.vertices)
        assert (found.colors - maps.vertex_colors(mesh)).abs().max() <= 0.51 / 255
