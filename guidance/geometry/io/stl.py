"""STL, text or binary: triangles that share no vertices, without colors."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.formats import STL_FACE, STL_HEADER, check_counts, is_binary_stl
from guidance.geometry.io.polygon_mesh import PolygonMesh
from guidance.geometry.io.polygons import Polygons
from guidance.geometry.io.raw_mesh import RawMesh
from guidance.geometry.io.text import BadRow, number_rows, plain_text

Array = Any
HEADER, RECORD = STL_HEADER, STL_FACE.itemsize


def read_stl(content: bytes, where: str) -> RawMesh:
    """The triangles of an STL file; a wrong number of faces is corrected, with a note.

    Raises:
        InputError: the file cannot be read, or is too large or empty.
    """
    return _read_binary(content, where) if is_binary_stl(content) else _read_text(content, where)


def _read_binary(content: bytes, where: str) -> RawMesh:
    declared = int(struct.unpack_from("<I", content, 80)[0])
    there = (len(content) - HEADER) // RECORD
    notes = []
    count = declared
    if declared == 0 or declared > there:
        count = there
        notes.append(f"declares {declared:,} faces, but its size is that of {there:,}")
    elif len(content) > HEADER + RECORD * declared:
        notes.append(f"ignored {len(content) - HEADER - RECORD * declared:,} bytes after the faces")
    # Merging usually leaves about half as many vertices as faces.
    check_counts(max(count, 1), count, where)
    records = np.frombuffer(content, STL_FACE, count, HEADER)
    if records["attributes"].any():
        notes.append("dropped the attributes of faces, which some programs use for colors")
    points = records["corners"].reshape(-1, 3).astype(np.float64)
    return PolygonMesh(points, _triples(count), notes=notes).triangles(where)


def _triples(count: int) -> Polygons:
    return Polygons(np.arange(3 * count), np.full(count, 3))


def _read_text(content: bytes, where: str) -> RawMesh:
    text = plain_text(content, where)
    lower = text.lower()
    # Its name may hold any word.
    text = re.sub(rb"solid[^\n]*", b"", lower)
    rows = re.findall(rb"\bvertex[ \t]+([^\n]*)", text)
    check_counts(max(len(rows) // 3, 1), len(rows) // 3, where)
    try:
        values, counts = number_rows(rows)
        if len(counts) and (counts != 3).any():
            raise BadRow(int((counts != 3).argmax()), "expected three numbers for a vertex")
    except BadRow as bad:
        raise InputError(
            f"{where}: cannot be read as STL (vertex {bad.index + 1:,}: {bad})"
        ) from None
    *complete, _ = re.split(rb"end[ \t]*loop", text)
    sizes = np.array([piece.count(b"vertex") for piece in complete], np.int64)
    notes = []
    if sizes.sum() < len(rows):
        lost = len(rows) - int(sizes.sum())
        notes.append(f"ignored vertices after the last complete face: {lost:,}")
    if not re.search(rb"end[ \t]*solid", lower[-1000:]):
        notes.append("has no endsolid; it may be truncated")
    polygons = Polygons(np.arange(int(sizes.sum())), sizes)
    return PolygonMesh(values.reshape(-1, 3), polygons, notes=notes).triangles(where)


def write_stl(mesh: RawMesh) -> bytes:
    """Binary STL: face normals and corners in float32, no colors."""
    records = np.zeros(len(mesh.faces), dtype=STL_FACE)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = normals / np.where(lengths > 0, lengths, 1)
    records["corners"] = corners
    return b"guidance; y up".ljust(80, b"\0") + struct.pack("<I", len(records)) + records.tobytes()
