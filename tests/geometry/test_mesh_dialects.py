"""Dialects of mesh files that other programs write, compared by shape, colors and notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.io.files import LoadedMesh, load_mesh
from tests.geometry.mesh_inputs import (
    POINTS,
    QUADS,
    TRIANGLES,
    obj,
    off,
    ply,
    ply_header,
    stl_binary,
    stl_text,
)

PLAIN = "\n".join([f"v {x:g} {y:g} {z:g}" for x, y, z in POINTS]) + "\n"
FACES = "\n".join("f " + " ".join(str(c + 1) for c in quad) for quad in QUADS) + "\n"


def load(content: str | bytes, folder: Path, **more: str) -> LoadedMesh:
    path = folder / "mesh.dat"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_mesh(path, **more)  # type: ignore[arg-type]


def size(loaded: LoadedMesh) -> tuple[float, float]:
    """Area and volume."""
    a, b, c = loaded.mesh.vertices.double()[loaded.mesh.faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1).sum() / 2
    return float(area), float((a * torch.linalg.cross(b, c)).sum() / 6)


def with_vertices(*columns: str) -> str:
    rows = PLAIN.splitlines()
    return "\n".join(f"{row} {columns[i % len(columns)]}" for i, row in enumerate(rows)) + "\n"


STRIP = " -1 ".join(" ".join(map(str, triangle)) for triangle in TRIANGLES)
CUBES: dict[str, str | bytes] = {
    "obj with a mark": b"\xef\xbb\xbf" + (PLAIN + FACES).encode(),
    "obj in utf-16": (PLAIN + FACES).encode("utf-16"),
    "obj in utf-16, big endian": b"\xfe\xff" + (PLAIN + FACES).encode("utf-16-be"),
    "obj with cr": (PLAIN + FACES).replace("\n", "\r"),
    "obj with crlf": (PLAIN + FACES).replace("\n", "\r\n"),
    "obj continued": (PLAIN + FACES).replace(" ", " \\\r\n "),
    "obj with comments": (PLAIN + FACES).replace("\n", " # 1 2 3\n"),
    "obj indented": "  " + (PLAIN + FACES).replace("\n", "\n\t").replace("v ", "v\t"),
    "obj backwards": PLAIN + "".join(
        "f " + " ".join(str(c - 8) for c in quad) + "\n" for quad in QUADS
    ),
    "obj with normals": PLAIN + "vn 0 0 1\n" + FACES.replace(" ", "//1 ").replace("f//1", "f")
    .replace("\n", "//1\n"),
    "off": off(),
    "off glued": off("OFF", counts="8 6 12"),
    "off in lower case": off("off"),
    "off with a mark": b"\xef\xbb\xbf" + off().encode(),
    "off with two counts": off(counts="\n8 6"),
    "off with comments": "# by hand\n" + off().replace("\n", " # here\n"),
    "noff": off("NOFF", "0 0.6 -0.8"),
    "stoff": off("STOFF", "0.25 0.75"),
    "stcnoff": off("STCNOFF", "0 0.6 -0.8 255 0 0 255 0.25 0.75"),
    "ply": ply(),
    "ply in capitals": ply().replace(b"ply\n", b"PLY\n", 1).replace(b"end_header", b"END_HEADER"),
    "ply with crlf": ply().replace(b"\n", b"\r\n"),
    "ply, little endian": ply("binary_little_endian"),
    "ply, big endian": ply("binary_big_endian"),
    "ply with bytes behind": ply("binary_little_endian") + b"\0\1\2",
    "ply with polygons of two sizes": ply_header(
        "ascii", "element face 7\nproperty list uchar int vertex_index\n"
    )
    + PLAIN.replace("v ", "")
    + "".join(f"4 {' '.join(map(str, quad))}\n" for quad in QUADS[1:])
    + "3 0 2 3\n3 0 3 1\n",
    "ply with strips": ply_header(
        "ascii", "element tristrips 1\nproperty list int int vertex_indices\n"
    )
    + PLAIN.replace("v ", "")
    + f"{4 * len(TRIANGLES) - 1} {STRIP}\n",
    "stl": stl_text(),
    "stl in capitals": stl_text().upper(),
    "stl with cr": stl_text().replace("\n", "\r"),
    "stl with spaces": stl_text().replace("endsolid", "end solid").replace("endloop", "end loop"),
    "stl named like its words": stl_text().replace("solid cube", "solid vertex 1 facet"),
    "binary stl": stl_binary(),
}  # fmt: skip


@pytest.mark.parametrize("name", CUBES)
def test_dialects_hold_the_same_cube(name: str, tmp_path: Path) -> None:
    loaded = load(CUBES[name], tmp_path)
    assert len(loaded.mesh.vertices) == 8 and len(loaded.mesh.faces) == 12
    assert size(loaded) == pytest.approx((24, 8))
    assert all(note.startswith("merged") for note in loaded.notes), loaded.notes


RED, PINK = [1.0, 0, 0], [1.0, 0, 0.5]
NAMES = ("red", "green", "blue")


def ply_colors(names: tuple[str, ...], kind: str, row: str, *, faces: bool = False) -> str:
    columns = "".join(f"property {kind} {name}\n" for name in names)
    lists = "element face 6\nproperty list uchar int vertex_indices\n" + (columns if faces else "")
    header = ply_header("ascii", lists, "" if faces else columns)
    points = PLAIN.replace("v ", "") if faces else with_vertices(row).replace("v ", "")
    ends = f" {row}\n" if faces else "\n"
    return header + points + "".join(f"4 {' '.join(map(str, quad))}{ends}" for quad in QUADS)


COLORED: dict[str, tuple[str, list[float]]] = {
    "obj": (obj(), PINK),
    "obj up to 255": (with_vertices("255 0 0") + FACES, RED),
    "obj a little above 1": (with_vertices("1.002 0 0") + FACES, RED),
    "obj with alpha": (with_vertices("1 0 0 1") + FACES, RED),
    "obj with weight": (with_vertices("1.0 1 0 0") + FACES, RED),
    "obj with weight and alpha": (with_vertices("1 1 0 0 1") + FACES, RED),
    "coff": (off("COFF", "255 0 0 255"), RED),
    "coff up to 1": (off("COFF", "1 0 0 1"), RED),
    "coff in floats": (off("COFF", "1.0 0.0 0.5 1.0"), PINK),
    "cnoff": (off("CNOFF", "0 0.6 -0.8 255 0 0 255"), RED),
    "ply": (ply_colors(NAMES, "uchar", "255 0 0"), RED),
    "ply of one letter": (ply_colors(("r", "g", "b"), "uchar", "255 0 0"), RED),
    "ply diffuse": (ply_colors(tuple(f"diffuse_{n}" for n in NAMES), "uchar", "255 0 0"), RED),
    "ply in 16 bits": (ply_colors(NAMES, "ushort", "65535 0 32768"), PINK),
    "ply in floats": (ply_colors(NAMES, "float", "1 0 0.5"), PINK),
    "dark ply in 8 bits": (ply_colors(NAMES, "uchar", "1 0 0"), [1 / 255, 0, 0]),
    "ply at faces": (ply_colors(NAMES, "uchar", "255 0 0", faces=True), RED),
    "off at faces": (
        off().replace("\n4 0 2 3 1", "\n4 0 2 3 1 255 0 0"),
        [1, 1 / 3, 1 / 3],
    ),
}


@pytest.mark.parametrize("name", [name for name in COLORED if name != "off at faces"])
def test_colors_are_kept(name: str, tmp_path: Path) -> None:
    content, expected = COLORED[name]
    loaded = load(content, tmp_path)
    assert loaded.mesh.colors is not None and size(loaded) == pytest.approx((24, 8))
    torch.testing.assert_close(
        loaded.mesh.colors, torch.tensor([expected] * 8).float(), atol=1e-5, rtol=0
    )


def test_colors_of_faces_are_averaged_with_a_note(tmp_path: Path) -> None:
    loaded = load(COLORED["off at faces"][0], tmp_path)
    assert any(note.startswith("the colors of faces became") for note in loaded.notes)
    assert loaded.mesh.colors is not None
    # A corner of the red face has two white ones beside it.
    at = loaded.mesh.vertices[:, 2] < 0
    torch.testing.assert_close(loaded.mesh.colors[at][0], torch.tensor([1, 2 / 3, 2 / 3]))
    assert bool((loaded.mesh.colors[~at] == 1).all())


def test_missing_and_invalid_colors_are_white_with_a_note(tmp_path: Path) -> None:
    loaded = load(with_vertices("", "1 0 0") + FACES, tmp_path)
    assert loaded.mesh.colors is not None
    assert loaded.mesh.colors[:2].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert "vertices without a color are white: 4" in loaded.notes
    loaded = load(with_vertices("nan 0 0", "0.5 0 0") + FACES, tmp_path)
    assert loaded.mesh.colors is not None
    assert loaded.mesh.colors[:2].tolist() == [[1, 1, 1], [0.5, 0, 0]]
    assert "vertices without a valid color are white: 4" in loaded.notes


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (PLAIN + FACES + "f 1 2\n", "left out faces with fewer than three corners: 1"),
        (PLAIN + FACES + "l 1 2\n", "dropped the lines, which are not rendered"),
        (stl_binary(0), "declares 0 faces, but its size is that of 12"),
        (stl_binary(13), "declares 13 faces, but its size is that of 12"),
        (stl_binary(12, b"xy"), "ignored 2 bytes after the faces"),
        (stl_text().replace("endsolid cube\n", ""), "has no endsolid; it may be truncated"),
        (off() + "1 2 3\n", "ignored lines after the faces: 1"),
        (off("COFF"), "dropped what follows the positions of vertices, which is no color"),
    ],
)
def test_what_is_left_out_is_noted(content: str | bytes, note: str, tmp_path: Path) -> None:
    loaded = load(content, tmp_path)
    assert size(loaded) == pytest.approx((24, 8)) and note in loaded.notes


def test_uv_of_off_and_of_the_corners_of_ply(tmp_path: Path) -> None:
    mesh = load(off("STOFF", "0.25 0.75"), tmp_path).mesh
    assert mesh.uv is not None and mesh.uv.unique(dim=0).tolist() == [[0.25, 0.25]]
    lists = "element face 6\nproperty list uchar int vertex_indices\n"
    lists += "property list uchar float texcoord\n"
    rows = "".join(f"4 {' '.join(map(str, quad))} 8 0 0 1 0 1 1 0 1\n" for quad in QUADS)
    mesh = load(ply_header("ascii", lists) + PLAIN.replace("v ", "") + rows, tmp_path).mesh
    assert mesh.uv is not None and mesh.face_uv is not None
    assert mesh.uv[mesh.face_uv][0].tolist() == [[0, 1], [1, 1], [1, 0]]


BAD = {
    "huge": ("v 0 0 0\nv 1e200 0 0\nv 0 1 0\nf 1 2 3\n", "a coordinate of 1e+200"),
    "index": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999999999999\n", "a face refers to"),
    "utf-32": ((PLAIN + FACES).encode("utf-32"), "is text in UTF-32"),
    "comma": (PLAIN.replace("1", "1,5") + FACES, "line 1 cannot be read as OBJ ('-1,5' is not a"),
    "corner": (PLAIN + "f 1 2 a/3\n", "line 9 cannot be read as OBJ ('a/3' is not a corner"),
    "4off": (off("4OFF", "1"), "is 4OFF, whose points are not in 3D"),
    "binary off": ("OFF BINARY\n" + "\1" * 40, "is OFF in binary, which is not read"),
    "part of an index": (off().replace("4 0 2", "4 0.5 2"), "whole numbers from 0"),
    "ply header": (
        ply().replace(b"property list", b"prop list"),
        "the line 'prop list uchar int vertex_ind' of its header",
    ),
    "ply without z": (ply().replace(b"float z", b"float w"), "its vertices have no z"),
    "many lists": (
        ply_header("ascii", "element face 9000000\nproperty list uchar int vertex_indices\n"),
        "more than the limits",
    ),
    "stl": (stl_text().replace("vertex 1 -1 1", "vertex 1 -1"), "expected three numbers"),
    "line": ("v 0 0 0\n" + "f 1" * 10, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_damage_is_refused(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    with pytest.raises(InputError) as found:
        load(content, tmp_path)
    assert message in str(found.value) and "\n" not in str(found.value)


def test_too_many_numbers_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guidance.geometry.io import text

    monkeypatch.setattr(text, "MAX_WORDS", 50)
    with pytest.raises(InputError, match="more than 50 numbers and words"):
        load(PLAIN + FACES, tmp_path)
    monkeypatch.setattr(text, "MAX_LINES", 10)
    with pytest.raises(InputError, match="more than 10 lines"):
        load(PLAIN + FACES, tmp_path)


def test_words_are_counted_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from guidance.geometry.io import text

    monkeypatch.setattr(text, "PIECE", 7)
    content = b"  12 345\n6 7 89  1234567890 1\t2\n"
    assert text.count_words(content) == len(content.split())
    assert [word for words in text.word_lists(content) for word in words] == content.split()


def test_z_up_becomes_y_up(tmp_path: Path) -> None:
    lines = "v 1 0 0\nv 0 2 0\nv 0 0 3\nf 1 2 3\n"
    loaded = load(lines, tmp_path, up="z")
    assert loaded.mesh.vertices.tolist() == [[1, 0, 0], [0, 0, -2], [0, 3, 0]]
    assert "rotated from z up to y up: x stays, z became y, y became -z" in loaded.notes
    assert np.linalg.det(loaded.mesh.vertices.numpy()) == pytest.approx(6)  # no reflection
    with pytest.raises(InputError, match="up: the built-in cube has y up"):
        load_mesh("cube", up="z")
