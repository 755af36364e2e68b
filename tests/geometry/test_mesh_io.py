"""Reading and writing of mesh files, and the one-line errors for invalid files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.io import formats
from guidance.geometry.io.files import SUFFIXES, load_mesh, save_mesh
from guidance.geometry.io.glb import read_glb
from guidance.geometry.normalization import Normalization
from guidance.meshes import Mesh

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
TETRAHEDRON = Mesh(
    torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
    torch.tensor([[0.0, 0.2, 1.0], [0.04, 0.5, 0.6], [1.0, 1.0, 1.0], [0.3, 0.01, 0.8]]),
)


def write(folder: Path, content: str | bytes, name: str = "mesh.obj") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def glb(described: dict[str, object], binary: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, length or 12 + len(chunks)) + chunks


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_saved_loads_again(suffix: str, tmp_path: Path) -> None:
    loaded = load_mesh(save_mesh(TETRAHEDRON, tmp_path / f"mesh{suffix}"))
    mesh = loaded.mesh
    if suffix == ".stl":  # which shares no vertices and has no colors
        assert mesh.colors is None
        assert loaded.notes == ("merged 8 vertices with others at their position",)
        corners, before = mesh.vertices[mesh.faces], TETRAHEDRON.vertices[TETRAHEDRON.faces]
        assert torch.equal(corners, before)
        return
    assert loaded.notes == ()
    assert torch.equal(mesh.vertices, TETRAHEDRON.vertices)
    assert torch.equal(mesh.faces, TETRAHEDRON.faces)
    exact = suffix in (".glb", ".obj")
    torch.testing.assert_close(
        mesh.colors, TETRAHEDRON.colors, atol=1e-7 if exact else 0.5 / 255 + 1e-6, rtol=0
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_extension_does_not_matter(suffix: str, tmp_path: Path) -> None:
    path = save_mesh(TETRAHEDRON, tmp_path / f"mesh{suffix}")
    moved = path.rename(tmp_path / "mesh.dat")
    assert len(load_mesh(moved).mesh.faces) == 4


def test_glb_holds_linear_colors_normals_and_a_matt_material(tmp_path: Path) -> None:
    content = save_mesh(TETRAHEDRON, tmp_path / "mesh.glb").read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    described = json.loads(content[20 : 20 + length])
    attributes = described["meshes"][0]["primitives"][0]["attributes"]
    assert set(attributes) == {"POSITION", "NORMAL", "COLOR_0"}
    view = described["bufferViews"][attributes["COLOR_0"]]
    start = 28 + length + view["byteOffset"]
    stored = np.frombuffer(content, "<f4", 12, start).reshape(4, 3)
    assert stored[0, 1] == pytest.approx(0.0331, abs=1e-4)  # linear light of sRGB 0.2
    assert stored[1, 0] == pytest.approx(0.04 / 12.92, abs=1e-6)
    material = described["materials"][0]
    assert material["doubleSided"] and material["pbrMetallicRoughness"]["metallicFactor"] == 0
    view = described["bufferViews"][attributes["NORMAL"]]
    normals = np.frombuffer(content, "<f4", 12, 28 + length + view["byteOffset"]).reshape(4, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)


def test_quads_become_triangles_and_order_is_kept(tmp_path: Path) -> None:
    loaded = load_mesh(write(tmp_path, SQUARE + "f 1/1 2/2 3/3 4/4\n"))
    assert loaded.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert loaded.mesh.vertices[:, :2].tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert loaded.notes == ("has 1 hole, not filled",)


def test_colors_of_obj_in_bytes_are_scaled(tmp_path: Path) -> None:
    lines = "v 0 0 0 255 0 0\nv 1 0 0 0 255 0\nv 0 1 0 0 0 51\nf 1 2 3\n"
    colors = load_mesh(write(tmp_path, lines)).mesh.colors
    assert colors is not None
    torch.testing.assert_close(colors[2], torch.tensor([0.0, 0.0, 0.2]))


def test_repairs_are_reported(tmp_path: Path) -> None:
    lines = SQUARE + "v 0 0 0\nv 9 9 9\nf 1 2 3\nf 5 3 4\nf 1 1 2\nf 3 1 2\n"
    loaded = load_mesh(write(tmp_path, lines))
    assert loaded.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert len(loaded.mesh.vertices) == 4
    told = " ".join(loaded.notes)
    for words in (
        "merged 1 vertices",
        "removed 1 degenerate faces",
        "removed 1 duplicate faces",
        "removed 1 vertices without a face",
    ):
        assert words in told


def test_faces_are_turned_to_agree_and_outwards(tmp_path: Path) -> None:
    faces = TETRAHEDRON.faces.clone()
    faces[1] = faces[1].flip(0)
    path = save_mesh(Mesh(TETRAHEDRON.vertices, faces), tmp_path / "mesh.obj")
    loaded = load_mesh(path)
    assert any(note.startswith("flipped") for note in loaded.notes)
    corners = loaded.mesh.vertices[loaded.mesh.faces]
    assert torch.linalg.det(corners - loaded.mesh.vertices.mean(0)).sum() > 0
    inside_out = Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces.flip(1))
    loaded = load_mesh(save_mesh(inside_out, tmp_path / "out.obj"))
    assert loaded.notes == ("flipped all faces, which pointed inwards",)


def test_parts_of_a_glb_are_joined_by_their_nodes(tmp_path: Path) -> None:
    places = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    described = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [
            {"mesh": 0},
            {"children": [2], "translation": [5, 0, 0]},
            {"mesh": 0, "rotation": [0, 0, 2**-0.5, 2**-0.5], "scale": [2, 2, 2]},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0.2140, 0, 1]}}],
        "buffers": [{"byteLength": 36}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
    }
    mesh = load_mesh(write(tmp_path, glb(described, places))).mesh
    expected = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [5, 2, 0], [3, 0, 0]]
    torch.testing.assert_close(mesh.vertices, torch.tensor(expected).float(), atol=1e-6, rtol=0)
    assert mesh.colors is not None
    torch.testing.assert_close(mesh.colors[0], torch.tensor([1.0, 0.5, 0.0]), atol=1e-3, rtol=0)


def test_normalization_is_undone() -> None:
    vertices = torch.tensor([[10.0, 0.0, 0.0], [14.0, 0.0, 0.0], [12.0, 1.0, 0.0]])
    frame = Normalization.of(vertices)
    unit = frame.apply(vertices)
    assert unit.norm(dim=-1).max() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(frame.undo(unit), vertices)


HUGE = {"accessors": [{"bufferView": 0, "componentType": 5126, "count": 10**9, "type": "VEC3"}]}
SMALL = [{**HUGE["accessors"][0], "count": 3}]
DRAWN = {
    "nodes": [{"mesh": 0}],
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
    "bufferViews": [{"buffer": 0, "byteLength": 36}],
}
PLY = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"
PLY += "property float z\nelement face {}\nproperty list uchar int vertex_indices\nend_header\n"
BAD = {
    "text named obj": (
        "To be, or not to be, that is the question.\n",
        "is not a mesh in a known format",
    ),
    "empty file": ("", "is empty"),
    "no faces": (SQUARE, "has no faces"),
    "no area": (SQUARE + "f 1 1 2\n", "all faces have zero area"),
    "not finite": (
        SQUARE.replace("1 1", "nan inf") + "f 1 2 3\n",
        "1 vertices have NaN or infinite values",
    ),
    "all nan": ("v nan nan nan\n" * 3 + "f 1 2 3\n", "3 vertices have NaN or infinite values"),
    "missing vertex": (SQUARE + "f 1 2 9\n", "refers to vertex 8, but there are 4 vertices"),
    "vertex zero": (
        SQUARE + "f 0 1 2\n",
        "line 5 cannot be read as OBJ (vertex indices start",
    ),
    "bad number": ("v 0 zero 0\nf 1 1 1\n", "line 1 cannot be read as OBJ"),
    "short vertex": ("v 0 0\nf 1 1 1\n", "line 1 cannot be read as OBJ"),
    "short face": (SQUARE + "f 1 2\n", "has no faces"),
    "archive": (b"PK\x03\x04" + bytes(60), "is a ZIP archive"),
    "gltf": ('{"asset": {"version": "2.0"}}', "export it as .glb"),
    "large claim": (
        glb({}, length=2**31),
        "declares 2,147,483,648 bytes, but the",
    ),
    "glb 1": (struct.pack("<4sII", b"glTF", 1, 12), "is glTF version 1"),
    "cut glb": (b"glTF\x02\0", "damaged GLB"),
    "huge accessor": (glb({**DRAWN, **HUGE}, bytes(36)), "1,000,000,000 vertices and"),
    "no buffer": (
        glb({**DRAWN, "accessors": [{**HUGE["accessors"][0], "count": 9}]}, bytes(36)),
        "an accessor of 9 elements extends beyond its buffer",
    ),
    "outside": (
        glb({**DRAWN, "accessors": SMALL, "buffers": [{"uri": "../../secret.bin"}]}),
        "refers to buffers in other files",
    ),
    "compressed": (
        glb({"extensionsRequired": ["KHR_draco_mesh_compression"]}),
        "requires KHR_draco_mesh_compression",
    ),
    "circle of nodes": (
        glb({"scenes": [{"nodes": [0]}], "nodes": [{"children": [0]}]}),
        "nodes nested more than 512 levels deep",
    ),
    "large ply": (PLY.format(3, 10**10) + "0 0 0\n", "more than the limits of"),
    "false ply": (PLY.format(900_000, 9) + "0 0 0\n", "the header declares 900,000 vertices"),
    "cut ply": (
        PLY.format(3, 1) + "0 0 0\n0 1 0\n",
        "declares 3 vertices and 1 faces, but",
    ),
    "points only": (PLY.format(3, 0) + "0 0 0\n0 1 0\n1 0 0\n", "has no faces"),
    "off without counts": ("OFF\nhello\n", "the OFF header has no vertex and face counts"),
    "cut off": ("OFF\n3 1 0\n0 0 0\n0 1 0\n1 0 0\n", "it has 3 of 4 vertices and faces"),
    "large off": (f"OFF\n{10**9} 1 0\n", "more than the limits of"),
}


@pytest.mark.parametrize("content, message", BAD.values(), ids=BAD)
def test_bad_files_are_refused_in_one_line(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as found:
        load_mesh(write(tmp_path, content))
    assert message in str(found.value)
    assert "mesh.obj" in str(found.value)
    assert "\n" not in str(found.value)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_mesh(tmp_path / "missing.obj")
    with pytest.raises(InputError, match="is a folder"):
        load_mesh(tmp_path)
    with pytest.raises(InputError, match="neither a file nor a built-in shape"):
        load_mesh("spehre")


def test_large_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="simplify the mesh first"):
        load_mesh(write(tmp_path, SQUARE + "f 1 2 3\n"))


def test_other_extensions_and_bad_values_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got '\.fbx'; rename it"):
        save_mesh(TETRAHEDRON, tmp_path / "mesh.fbx")
    broken = Mesh(TETRAHEDRON.vertices * float("nan"), TETRAHEDRON.faces)
    with pytest.raises(InputError, match="NaN or infinite"):
        save_mesh(broken, tmp_path / "mesh.glb")
    assert not list(tmp_path.iterdir())


def test_materials_outside_are_not_opened(tmp_path: Path) -> None:
    lines = "mtllib ../secret.mtl\n" + SQUARE + "usemtl red\nf 1 2 3\n"
    assert (
        "dropped the materials and textures, which are in other files"
        in load_mesh(write(tmp_path, lines)).notes
    )


def test_strips_of_triangles_keep_their_sides() -> None:
    places = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4").tobytes()
    drawn = {
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 5}]}],
        "bufferViews": [{"buffer": 0, "byteLength": 48}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"}],
    }
    raw = read_glb(glb(drawn, places), "strip")
    assert raw.faces.tolist() == [[0, 1, 2], [2, 1, 3]]
