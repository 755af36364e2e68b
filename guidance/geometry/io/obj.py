"""Wavefront OBJ: vertices with colors, polygons, UV coordinates; its materials are other files."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.colors import unit_colors
from guidance.geometry.io.formats import check_counts
from guidance.geometry.io.polygon_mesh import PolygonMesh, flipped_uv
from guidance.geometry.io.polygons import Polygons
from guidance.geometry.io.raw_mesh import RawMesh, far_origin
from guidance.geometry.io.text import (
    BadRow,
    joined_rows,
    number_rows,
    numbers,
    plain_text,
    shown,
    table,
    without_comments,
    word_lists,
    word_starts,
)

Array = Any
#: Numbers of a vertex that are read: x y z w r g b a.
COLUMNS = 8
MAX_COORDINATES = 6_000_000
#: What is not a face of a polygon mesh.
OTHERS = {"lines": (b"l",), "points": (b"p",), "curves and surfaces": (b"curv", b"curv2", b"surf")}


def read_obj(content: bytes, where: str) -> RawMesh:
    """Reads `v x y z [w] [r g b [a]]`, `vt u v` and `f`; polygons become triangles.

    Vertices keep their order. Normals and materials are dropped. UV coordinates are kept if all
    corners have them. Faces with fewer than three corners are left out, with a note.

    Raises:
        InputError: a line cannot be read, or the mesh is too large or empty.
    """
    text = without_comments(plain_text(content, where).replace(b"\\\n", b" "))
    # A lower bound of the counts, before lines are copied.
    check_counts(max(1, text.count(b"\nv ")), max(1, text.count(b"\nf ")), where)
    vertices, corners, coordinates = (_rows(text, key) for key in (b"v", b"f", b"vt"))
    check_counts(len(vertices), len(corners), where)
    if len(coordinates) > MAX_COORDINATES:
        raise InputError(
            f"{where}: has {len(coordinates):,} UV coordinates, more than the limit of "
            f"{MAX_COORDINATES:,}; simplify the mesh first"
        )
    key = b"v"
    try:
        values, counts = number_rows(vertices)
        if counts.min() < 3:
            raise BadRow(int((counts < 3).argmax()), "expected three numbers for a vertex")
        key = b"f"
        corner, corner_uv, sizes = _faces(corners)
        key = b"vt"
        uv, uv_counts = number_rows(coordinates)
    except BadRow as bad:
        line = _line_of(text, key, bad.index)
        raise InputError(f"{where}: line {line} cannot be read as OBJ ({bad})") from None
    if (corner < 0).any() or (corner_uv < 0).any():
        lines = _starts(text, b"f")
        corner = _counted_from_one(corner, np.searchsorted(_starts(text, b"v"), lines), sizes)
        earlier = np.searchsorted(_starts(text, b"vt"), lines)
        corner_uv = _counted_from_one(corner_uv, earlier, sizes)
    mesh = PolygonMesh(table(values, counts, 3), Polygons(corner - 1, sizes), notes=_notes(text))
    mesh.colors = _colors(values, counts, mesh.notes)
    if len(uv_counts):
        found = table(uv, uv_counts, 2)
        found[uv_counts < 2, 1] = 0
        mesh.uv, mesh.corner_uv = flipped_uv(found), corner_uv - 1
    return mesh.triangles(where)


def _counted_from_one(indices: Array, earlier: Array, sizes: Array) -> Array:
    """Indices without negative ones, which count backwards from the last row before the face."""
    return indices + np.where(indices < 0, np.repeat(earlier, sizes) + 1, 0)


def _line(key: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"^[ \t]*%b[ \t]+([^\n]*)" % key, re.MULTILINE)


def _rows(text: bytes, key: bytes) -> list[bytes]:
    """What follows a keyword, line by line."""
    return _line(key).findall(text)


def _starts(text: bytes, key: bytes) -> Array:
    """Where the lines with a keyword start."""
    return np.array([found.start() for found in _line(key).finditer(text)], np.int64)


def _line_of(text: bytes, key: bytes, index: int) -> int:
    """The number of a line, from 1, by its keyword and its index among the lines with it."""
    start = next(islice(_line(key).finditer(text), index, None)).start()
    return text.count(b"\n", 0, start) + 1


def _faces(rows: list[bytes]) -> tuple[Array, Array, Array]:
    """The vertex and the UV index of each corner as written, 0 for none, and corners per face.

    Raises:
        BadRow: an index that is not a whole number, or vertex 0.
    """
    text, sizes = joined_rows(rows)
    try:
        both = _uniform_corners(text, int(sizes.sum()))
        if both is None:
            both = np.concatenate([_corners(words) for words in word_lists(text)])
    except (ValueError, OverflowError):
        raise _first_bad(rows) from None
    zero = both[:, 0] == 0
    if zero.any():
        face = int(np.repeat(np.arange(len(rows)), sizes)[zero.argmax()])
        raise BadRow(face, "vertex indices start at 1")
    return both[:, 0].copy(), both[:, 1].copy(), sizes


def _uniform_corners(text: bytes, count: int) -> Array | None:
    """Vertex and UV indices of whole numbers with the same number of slashes each, or None."""
    if b"/" not in text:
        try:
            vertex = numbers(text, np.int64)
        except ValueError:
            return None
        return np.stack([vertex, np.zeros_like(vertex)], 1)
    letters = np.frombuffer(text, np.uint8)
    slashes = np.flatnonzero(letters == ord("/"))
    each = len(slashes) // max(count, 1)
    owner = np.searchsorted(np.flatnonzero(word_starts(letters)), slashes, "right") - 1
    if each not in (1, 2) or not np.array_equal(owner, np.repeat(np.arange(count), each)):
        return None
    filled = text.replace(b"//", b"/0/").replace(b"/", b" ")
    try:
        found = numbers(filled, np.int64)
    except ValueError:
        return None
    if len(found) != (each + 1) * count:
        return None
    both: Array = found.reshape(-1, each + 1)[:, :2]
    return both


def _corners(words: list[bytes]) -> Array:
    """Vertex and UV indices of corners such as 1, 1/2, 1//3 and 1/2/3."""
    found = np.zeros((len(words), 2), np.int64)
    for row, word in enumerate(words):
        vertex, *others = word.split(b"/")
        found[row] = int(vertex), int(others[0]) if others and others[0] else 0
    return found


def _first_bad(rows: list[bytes]) -> BadRow:
    for index, row in enumerate(rows):
        for word in row.split():
            try:
                _corners([word])
            except ValueError:
                return BadRow(index, f"{shown(word)} is not a corner of a face")
            except OverflowError:
                return BadRow(index, f"the index {shown(word)} is too large")
    raise AssertionError("one of the rows is bad")


def _colors(values: Array, counts: Array, notes: list[str]) -> Array | None:
    """The colors of vertices, white where a vertex has none; None if no vertex has one.

    Seven numbers are x y z r g b a if the last one is 1 or 255 everywhere, or the fourth one is
    not 1 everywhere; else x y z w r g b.
    """
    if counts.max() <= 4:
        return None
    columns = table(values, counts, COLUMNS)
    colors = np.full((len(counts), 3), np.nan)
    colors[counts == 6] = columns[counts == 6, 3:6]
    colors[counts == 8] = columns[counts == 8, 4:7]
    seven = columns[counts == 7, 3:7]
    if len(seven):
        opaque = bool((seven[:, 3] == seven[0, 3]).all()) and seven[0, 3] in (1, 255)
        weighted = bool((seven[:, 0] == 1).all()) and not opaque
        colors[counts == 7] = seven[:, 1:] if weighted else seven[:, :3]
    odd = int(((counts == 5) | (counts > COLUMNS)).sum())
    if odd:
        notes.append(f"dropped what follows the positions of vertices, which is no color: {odd:,}")
    without = np.isin(counts, (6, 7, 8), invert=True)
    if without.all():
        return None
    if without.any():
        notes.append(f"vertices without a color are white: {int(without.sum()):,}")
    found = np.ones_like(colors)
    found[~without] = unit_colors(colors[~without], notes)
    return found


def _notes(text: bytes) -> list[str]:
    """Notes on what is dropped."""

    def has(*keys: bytes) -> bool:
        starts = [key + space for key in keys for space in (b" ", b"\t")]
        return text.startswith(tuple(starts)) or any(b"\n" + start in text for start in starts)

    notes = []
    if has(b"mtllib"):
        notes.append("dropped the materials and textures, which are in other files")
    notes += [
        f"dropped the {name}, which are not rendered" for name in OTHERS if has(*OTHERS[name])
    ]
    return notes


def write_obj(mesh: RawMesh) -> bytes:
    """Vertices, followed by their colors, UV coordinates, and triangles.

    Numbers have the digits of float32, or of float64 if the mesh is far from the origin.
    """
    digits = 17 if far_origin(mesh.vertices).any() else 9
    rows = mesh.vertices if mesh.colors is None else np.hstack([mesh.vertices, mesh.colors])
    lines = ["# y is up; lengths are in the units of the input"]
    if mesh.colors is not None:
        lines.append("# sRGB colors of vertices follow their positions")
    lines += ["v " + " ".join(f"{value:.{digits}g}" for value in row) for row in rows.tolist()]
    if mesh.uv is None or mesh.face_uv is None:
        lines += ["f {} {} {}".format(*face) for face in (mesh.faces + 1).tolist()]
    else:
        lines += [f"vt {u:.9g} {v:.9g}" for u, v in flipped_uv(mesh.uv).tolist()]
        corners = np.stack([mesh.faces, mesh.face_uv], -1).reshape(-1, 6) + 1
        lines += ["f {}/{} {}/{} {}/{}".format(*row) for row in corners.tolist()]
    return ("\n".join(lines) + "\n").encode()
