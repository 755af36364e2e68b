"""Wavefront OBJ: vertices with colours, and polygons; materials and textures are left out."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from guidance.errors import InputError
from guidance.geometry.formats import check_counts
from guidance.geometry.raw import RawMesh


def read_obj(content: bytes, where: str) -> RawMesh:
    """Reads `v x y z [r g b]` and `f`, whose polygons become fans of triangles.

    Vertices keep their order; texture coordinates, normals and materials are not read.

    Raises:
        InputError: a line that cannot be read; too large; empty.
    """
    # Counted before anything is built; polygons may give more faces, which is seen below.
    num_vertices, num_polygons = (
        len(re.findall(rb"^\s*%b\s" % word, content, re.MULTILINE)) for word in (b"v", b"f")
    )
    check_counts(num_vertices, num_polygons, where)
    text = content.decode("utf-8", errors="replace").replace("\\\n", " ")
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    textured = False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:]])
                if len(words) < 4:
                    raise ValueError("a vertex needs three numbers")
            elif words[0] == "f":
                corners = [_corner(word, len(vertices)) for word in words[1:]]
                if len(corners) < 3:
                    raise ValueError("a face needs three corners")
                faces += [(corners[0], *pair) for pair in pairwise(corners[1:])]
            textured |= words[0] == "mtllib"
        except ValueError as error:
            raise InputError(f"{where}: line {number} cannot be read as OBJ: {error}") from None
    check_counts(len(vertices), len(faces), where)
    notes = ["its materials and textures are not used"] if textured else []
    places = np.array([vertex[:3] for vertex in vertices])
    colors = None
    if all(len(vertex) == 6 for vertex in vertices):
        colors = np.array([vertex[3:] for vertex in vertices])
        if colors.max() > 1:  # some programs write 0 to 255
            colors = colors / 255
    return RawMesh(places, np.array(faces, dtype=np.int64), colors, notes)


def _corner(word: str, count: int) -> int:
    """Index of a vertex: counted from 1, or backwards from the last one."""
    index = int(word.split("/", 1)[0])
    if index == 0:
        raise ValueError("vertices are counted from 1")
    return index - 1 if index > 0 else count + index


def write_obj(mesh: RawMesh) -> bytes:
    """Vertices with all digits of float32, their colours behind them, and triangles."""
    rows = mesh.vertices if mesh.colors is None else np.hstack([mesh.vertices, mesh.colors])
    lines = ["# sRGB colours of vertices follow their places" if mesh.colors is not None else "#"]
    lines += ["v " + " ".join(f"{value:.9g}" for value in row) for row in rows.tolist()]
    lines += ["f {} {} {}".format(*face) for face in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()
