"""Wavefront OBJ without materials: vertices with colors, polygons, UV coordinates."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.formats import check_counts
from guidance.geometry.io.raw_mesh import RawMesh, far_origin

Array = Any


def read_obj(content: bytes, where: str) -> RawMesh:
    """Reads `v x y z [r g b]`, `vt u v` and `f`; polygons become triangle fans.

    Vertices keep their order. Normals and materials are dropped. UV coordinates are kept if all
    corners have them.

    Raises:
        InputError: a line cannot be read, or the mesh is too large or empty.
    """
    # Counted before anything is built; polygons can give more triangles, which are counted below.
    num_vertices, num_polygons = (
        len(re.findall(rb"^\s*%b\s" % word, content, re.MULTILINE)) for word in (b"v", b"f")
    )
    check_counts(num_vertices, num_polygons, where)
    text = content.decode("utf-8", errors="replace").replace("\\\n", " ")
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    uv: list[list[float]] = []
    face_uv: list[tuple[int, int, int]] = []
    textured = False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:]])
                if len(words) < 4:
                    raise ValueError("expected three numbers for a vertex")
            elif words[0] == "vt":
                uv.append([float(word) for word in words[1:3]] + [0.0] * (3 - len(words)))
            elif words[0] == "f":
                corners = [_corner(word, len(vertices)) for word in words[1:]]
                if len(corners) < 3:
                    raise ValueError("expected at least three corners for a face")
                faces += [(corners[0], *pair) for pair in pairwise(corners[1:])]
                places = [_place(word, len(uv)) for word in words[1:]]
                face_uv += [(places[0], *pair) for pair in pairwise(places[1:])]
            textured |= words[0] == "mtllib"
        except ValueError as error:
            raise InputError(f"{where}: line {number} cannot be read as OBJ ({error})") from None
    check_counts(len(vertices), len(faces), where)
    notes = ["dropped the materials and textures, which are in other files"] if textured else []
    points = np.array([vertex[:3] for vertex in vertices])
    colors = None
    coordinates, corners_uv = _coordinates(uv, face_uv, notes)
    if all(len(vertex) == 6 for vertex in vertices):
        colors = np.array([vertex[3:] for vertex in vertices])
        if colors.max() > 1:  # some programs write values from 0 to 255
            colors = colors / 255
    return RawMesh(points, np.array(faces, dtype=np.int64), colors, notes, coordinates, corners_uv)


def _coordinates(
    uv: list[list[float]], face_uv: list[tuple[int, int, int]], notes: list[str]
) -> tuple[Array, Array]:
    """UV coordinates with v downwards and the indices of the corners, or None and None."""
    corners = np.array(face_uv, dtype=np.int64)
    missing = corners < 0
    if missing.all() or not uv:
        return None, None
    if missing.any():
        notes.append("dropped the UV coordinates, which some faces do not have")
        return None, None
    if corners.max() >= len(uv):
        notes.append("dropped the UV coordinates, because faces refer to missing ones")
        return None, None
    return np.array(uv) * [1, -1] + [0, 1], corners


def _place(word: str, count: int) -> int:
    """The UV index of a corner, -1 for none."""
    parts = word.split("/")
    if len(parts) < 2 or not parts[1]:
        return -1
    index = int(parts[1])
    if index == 0 or index < -count:
        raise ValueError("UV indices start at 1")
    return index - 1 if index > 0 else count + index


def _corner(word: str, count: int) -> int:
    """The vertex index of a corner, which a file counts from 1, or backwards from the last."""
    index = int(word.split("/", 1)[0])
    if index == 0:
        raise ValueError("vertex indices start at 1")
    return index - 1 if index > 0 else count + index


def write_obj(mesh: RawMesh) -> bytes:
    """Vertices, followed by their colors, and triangles.

    Numbers have the digits of float32, or of float64 if the mesh is far from the origin.
    """
    digits = 17 if far_origin(mesh.vertices).any() else 9
    rows = mesh.vertices if mesh.colors is None else np.hstack([mesh.vertices, mesh.colors])
    lines = ["# sRGB colors of vertices follow their positions" if mesh.colors is not None else "#"]
    lines += ["v " + " ".join(f"{value:.{digits}g}" for value in row) for row in rows.tolist()]
    lines += ["f {} {} {}".format(*face) for face in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()
