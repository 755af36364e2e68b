"""OFF and COFF: text with polygons and, in COFF, vertex colors."""

from __future__ import annotations

import re
from itertools import islice, pairwise

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.raw_mesh import RawMesh


def read_off(content: bytes, where: str) -> RawMesh:
    """Reads vertices, their colors (integers to 255, or floats to 1), and polygons as fans.

    Raises:
        InputError: a line cannot be read, or lines are missing.
    """
    text = re.sub(r"#[^\n]*", "", content.decode("utf-8", errors="replace"))
    lines = (line.split() for line in text.split("OFF", 1)[1].splitlines())
    filled = (words for words in lines if words)
    try:
        num_vertices, num_faces = (int(word) for word in next(filled)[:2])
        rows = list(islice(filled, num_vertices + num_faces))
        if len(rows) < num_vertices + num_faces:
            raise ValueError(
                f"it has {len(rows):,} of {num_vertices + num_faces:,} vertices and faces"
            )
        points = [[float(word) for word in words] for words in rows[:num_vertices]]
        if any(len(point) < 3 for point in points):
            raise ValueError("expected three numbers for a vertex")
        faces: list[tuple[int, int, int]] = []
        for words in rows[num_vertices:]:
            corners = [int(word) for word in words[1 : 1 + int(words[0])]]
            if len(corners) < int(words[0]) or len(corners) < 3:
                raise ValueError("a face has fewer corners than declared, or fewer than three")
            faces += [(corners[0], *pair) for pair in pairwise(corners[1:])]
    except (ValueError, IndexError, StopIteration) as error:
        raise InputError(f"{where}: cannot be read as OFF ({error})") from None
    colors = None
    if all(len(point) >= 6 for point in points):
        colors = np.array([point[3:6] for point in points])
        integers = all("." not in word for words in rows[:num_vertices] for word in words[3:6])
        colors = colors / 255 if integers else colors
    vertices = np.array([point[:3] for point in points])
    return RawMesh(vertices, np.array(faces, dtype=np.int64), colors)


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
