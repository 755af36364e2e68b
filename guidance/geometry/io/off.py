"""OFF and COFF: plain text with polygons and, in COFF, colours of vertices."""

from __future__ import annotations

import re
from itertools import islice, pairwise

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.raw import RawMesh


def read_off(content: bytes, where: str) -> RawMesh:
    """Reads vertices, their colours (whole numbers to 255, or to 1), and polygons as fans.

    Raises:
        InputError: a line that cannot be read, or too few of them.
    """
    text = re.sub(r"#[^\n]*", "", content.decode("utf-8", errors="replace"))
    lines = (line.split() for line in text.split("OFF", 1)[1].splitlines())
    filled = (words for words in lines if words)
    try:
        num_vertices, num_faces = (int(word) for word in next(filled)[:2])
        rows = list(islice(filled, num_vertices + num_faces))
        if len(rows) < num_vertices + num_faces:
            raise ValueError(f"it ends after {len(rows):,} of its lines")
        points = [[float(word) for word in words] for words in rows[:num_vertices]]
        if any(len(point) < 3 for point in points):
            raise ValueError("a vertex needs three numbers")
        faces: list[tuple[int, int, int]] = []
        for words in rows[num_vertices:]:
            corners = [int(word) for word in words[1 : 1 + int(words[0])]]
            if len(corners) < int(words[0]) or len(corners) < 3:
                raise ValueError("a face has fewer corners than it says, or fewer than three")
            faces += [(corners[0], *pair) for pair in pairwise(corners[1:])]
    except (ValueError, IndexError, StopIteration) as error:
        raise InputError(f"{where}: cannot be read as OFF: {error}") from None
    colors = None
    if all(len(point) >= 6 for point in points):
        colors = np.array([point[3:6] for point in points])
        whole = all("." not in word for words in rows[:num_vertices] for word in words[3:6])
        colors = colors / 255 if whole else colors
    places = np.array([point[:3] for point in points])
    return RawMesh(places, np.array(faces, dtype=np.int64), colors)


def write_off(mesh: RawMesh) -> bytes:
    """Vertices with all digits of float32; colours in 8 bits, which is what most programs read."""
    lines = ["OFF" if mesh.colors is None else "COFF"]
    lines.append(f"{len(mesh.vertices)} {len(mesh.faces)} 0")
    rows = [" ".join(f"{value:.9g}" for value in row) for row in mesh.vertices.tolist()]
    if mesh.colors is not None:
        colors = (np.clip(mesh.colors, 0, 1) * 255).round().astype(int).tolist()
        rows = [f"{row} {r} {g} {b} 255" for row, (r, g, b) in zip(rows, colors, strict=True)]
    lines += rows + ["3 {} {} {}".format(*face) for face in mesh.faces.tolist()]
    return ("\n".join(lines) + "\n").encode()
