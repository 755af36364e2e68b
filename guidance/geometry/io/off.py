"""OFF and its variants (COFF, NOFF, STOFF, ...): polygons, normals, colors and UV coordinates."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.colors import unit_colors
from guidance.geometry.io.formats import check_claims
from guidance.geometry.io.polygon_mesh import PolygonMesh, flipped_uv
from guidance.geometry.io.polygons import Polygons
from guidance.geometry.io.raw_mesh import RawMesh
from guidance.geometry.io.text import (
    BadRow,
    number_rows,
    plain_text,
    table,
    without_comments,
)

Array = Any
#: The keyword and what it says of a vertex: texture coordinates, color, normal, dimensions.
KEYWORD = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF(?=[\s\d])", re.IGNORECASE)
COUNTS = re.compile(rb"\s*(\d{1,18})\s+(\d{1,18})(?:[ \t]+-?\d+)?[ \t]*(?:\n|$)")


def off_header(content: bytes, where: str) -> tuple[re.Match[bytes], int, int, bytes]:
    """The keyword, the numbers of vertices and faces, and the text that follows them.

    Raises:
        InputError: there are no counts, or the dialect is not read.
    """
    text = without_comments(plain_text(content, where))
    keyword = KEYWORD.match(text)
    assert keyword is not None
    name = keyword[0].strip().decode("ascii")
    if keyword[4] or keyword[5]:
        raise InputError(f"{where}: is {name}, whose points are not in 3D; export it as OFF")
    rest = text[keyword.end() :]
    if re.match(rb"\s*BINARY", rest, re.IGNORECASE):
        raise InputError(f"{where}: is {name} in binary, which is not read; export it as text")
    counts = COUNTS.match(rest)
    if counts is None:
        raise InputError(
            f"{where}: the OFF header has no vertex and face counts; export the mesh again"
        )
    return keyword, int(counts[1]), int(counts[2]), rest[counts.end() :]


def read_off(content: bytes, where: str) -> RawMesh:
    """Reads vertices with their colors and UV coordinates, and polygons with their colors.

    Colors have three or four numbers, up to 1 or up to 255. Normals are dropped.

    Raises:
        InputError: a line cannot be read, or lines are missing.
    """
    keyword, num_vertices, num_faces, text = off_header(content, where)
    check_claims(num_vertices, num_faces, len(content), where)
    rows = list(filter(bytes.strip, text.split(b"\n")))
    if len(rows) < num_vertices + num_faces:
        raise _unreadable(
            where, f"it has {len(rows):,} of {num_vertices + num_faces:,} vertices and faces"
        )
    notes: list[str] = []
    if len(rows) > num_vertices + num_faces:
        notes.append(f"ignored lines after the faces: {len(rows) - num_vertices - num_faces:,}")
    try:
        values, counts = number_rows(rows[:num_vertices])
        if counts.min() < 3:
            raise ValueError("expected three numbers for a vertex")
        polygons, face_colors = _faces(rows[num_vertices : num_vertices + num_faces])
    except (BadRow, ValueError) as error:
        raise _unreadable(where, str(error)) from None
    mesh = PolygonMesh(table(values, counts, 3), polygons, notes=notes)
    _add_columns(mesh, keyword, values, counts)
    if face_colors is not None:
        mesh.face_colors = unit_colors(face_colors, notes)
    return mesh.triangles(where)


def _unreadable(where: str, reason: str) -> InputError:
    return InputError(f"{where}: cannot be read as OFF ({reason})")


def _faces(rows: list[bytes]) -> tuple[Polygons, Array | None]:
    """The polygons, and their colors: NaN where a face has none, None if no face has one.

    Raises:
        ValueError: a face has fewer corners than it declares.
    """
    values, counts = number_rows(rows)
    starts = counts.cumsum() - counts
    if (counts < 1).any():
        raise ValueError("a face has no corners")
    sizes = np.clip(np.nan_to_num(values[starts], nan=-1), -1, 2**31).astype(np.int64)
    if (sizes < 0).any() or (sizes + 1 > counts).any():
        raise ValueError("a face has fewer corners than declared")
    column = np.arange(len(values)) - np.repeat(starts, counts)
    corners = values[(column >= 1) & (column <= np.repeat(sizes, counts))]
    # Later they are compared with the number of vertices; these limits keep them in range.
    whole = np.clip(np.nan_to_num(corners, nan=-1), -1, 2**53).astype(np.int64)
    if (whole != corners).any():
        raise ValueError("the corners of faces must be whole numbers from 0")
    extra = counts - 1 - sizes
    colored = (extra == 3) | (extra == 4)
    if not colored.any():
        return Polygons(whole, sizes), None
    colors = np.full((len(rows), 3), np.nan)
    at = (starts + 1 + sizes)[colored, None] + np.arange(3)
    colors[colored] = values[at]
    return Polygons(whole, sizes), colors


def _add_columns(mesh: PolygonMesh, keyword: re.Match[bytes], values: Array, counts: Array) -> None:
    """Adds the colors and UV coordinates that follow the positions.

    Plain OFF has colors if three or four numbers follow that are not negative.
    """
    width = int(counts.min())
    textured, colored, normal = (keyword[group] is not None for group in (1, 2, 3))
    at = 6 if normal else 3
    end = width - 2 if textured else width
    rows = table(values, counts, width)
    if textured and end >= at:
        mesh.uv, mesh.corner_uv = flipped_uv(rows[:, end:]), mesh.polygons.corners
    colors = rows[:, at : at + 3]
    guessed = not (normal or textured) and width in (6, 7) and bool((colors >= 0).all())
    if (colored or guessed) and end >= at + 3:
        mesh.colors = unit_colors(colors, mesh.notes)
    elif colored or (at < end and not normal):
        mesh.notes.append("dropped what follows the positions of vertices, which is no color")


def write_off(mesh: RawMesh) -> bytes:
    """Vertices with the digits of float32; colors with 8 bits, which most programs support."""
    lines = ["OFF" if mesh.colors is None else "COFF"]
    lines.append(f"{len(mesh.vertices)} {len(mesh.faces)} 0")
    rows = [" ".join(f"{value:.9g}" for value in row) for row in mesh.vertices.tolist()]
    if mesh.colors is not None:
        colors = (np.clip(mesh.colors, 0, 1) * 255).round().astype(int).tolist()
        rows = [f"{row} {r} {g} {b} 255" for row, (r, g, b) in zip(rows, colors, strict=True)]
    lines += rows + ["3 {} {} {}".format(*face) for face in mesh.faces.tolist()]
    return ("\n".join(lines) + "\n").encode()
