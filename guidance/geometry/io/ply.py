"""PLY: text or binary, with polygons or strips of triangles, colors and UV coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.colors import unit_colors
from guidance.geometry.io.formats import check_claims
from guidance.geometry.io.ply_elements import Columns, Element, read_elements, read_header
from guidance.geometry.io.polygon_mesh import PolygonMesh, flipped_uv
from guidance.geometry.io.polygons import Polygons
from guidance.geometry.io.raw_mesh import RawMesh, far_origin

Array = Any
INDICES = ("vertex_indices", "vertex_index")
#: Names of UV coordinates at vertices, in the order in which they are looked for.
UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
COLORS = (("red", "green", "blue"), ("r", "g", "b"))
#: The highest value of the integer types that hold colors; others tell no range.
TOPS = {"u1": 255.0, "u2": 65535.0, "u4": 4294967295.0}


def read_ply(content: bytes, where: str) -> RawMesh:
    """Polygons and strips of triangles with colors and UV coordinates of vertices or faces.

    Other properties and elements are ignored, and so is what follows the data.

    Raises:
        InputError: the header cannot be read, the file is shorter than it declares, or the mesh is
            too large or empty.
    """
    header = read_header(content, where)
    elements = {element.name: element for element in header.elements}
    vertex, face, strips = (elements.get(name) for name in ("vertex", "face", "tristrips"))
    num_faces = sum(element.count for element in (face, strips) if element is not None)
    num_vertices = 0 if vertex is None else vertex.count
    check_claims(num_vertices, num_faces, len(content), where)
    found = read_elements(header, content, ("vertex", "face", "tristrips"), where)
    assert vertex is not None
    for axis in "xyz":
        if axis not in found["vertex"].values:
            raise InputError(f"{where}: its vertices have no {axis}; export the mesh again")
    points = np.stack([found["vertex"].values[axis] for axis in "xyz"], 1).astype(np.float64)
    notes: list[str] = []
    polygons, num_strips = _polygons(found)
    mesh = PolygonMesh(points, polygons, notes=notes)
    mesh.colors = _colors(found["vertex"], vertex, notes)
    if face is not None and not num_strips:
        mesh.face_colors = _colors(found["face"], face, notes)
    _add_uv(mesh, found)
    return mesh.triangles(where)


def _polygons(found: dict[str, Columns]) -> tuple[Polygons, int]:
    """The polygons of faces, then the triangles of strips, and the number of these."""
    corners, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for name in INDICES:
        if "face" in found and name in found["face"].lists:
            items, sizes = found["face"].lists[name]
            corners.append(_indices(items))
            counts.append(sizes)
            break
    triangles = np.zeros((0, 3), np.int64)
    for name in INDICES:
        if "tristrips" in found and name in found["tristrips"].lists:
            items, sizes = found["tristrips"].lists[name]
            triangles = strip_triangles(_indices(items), sizes)
            break
    corners.append(triangles.reshape(-1))
    counts.append(np.full(len(triangles), 3))
    return Polygons(np.concatenate(corners), np.concatenate(counts)), len(triangles)


def _indices(items: Array) -> Array:
    """Indices as int64; the highest unsigned one, which ends a strip, as -1."""
    if items.dtype.kind == "f":
        items = np.clip(np.nan_to_num(items, nan=-2), -2, 2**53)
    whole = items.astype(np.int64)
    return np.where(whole == 2**32 - 1, -1, whole) if items.dtype.kind == "u" else whole


def strip_triangles(items: Array, sizes: Array) -> Array:
    """The triangles of strips; every other one is turned, and -1 starts a new strip."""
    if len(items) < 3:
        return np.zeros((0, 3), np.int64)
    at = np.arange(len(items))
    begins = np.zeros(len(items), bool)
    begins[(sizes.cumsum() - sizes)[sizes > 0]] = True
    begins[1:] |= items[:-1] == -1
    since = at - np.maximum.accumulate(np.where(begins, at, 0))  # place in its strip
    rows = np.stack([items[:-2], items[1:-1], items[2:]], 1)
    odd = since[:-2] % 2 == 1
    rows[odd] = rows[odd][:, [1, 0, 2]]
    good = (rows != -1).all(1) & (since[2:] == since[:-2] + 2)
    return rows[good]


def _colors(columns: Columns, element: Element, notes: list[str]) -> Array | None:
    for prefix in ("", "diffuse_", "ambient_"):
        for names in COLORS:
            keys = [prefix + name for name in names]
            if all(key in columns.values for key in keys):
                values = np.stack([columns.values[key] for key in keys], 1)
                kinds = {element.kinds[key] for key in keys}
                top = TOPS.get(kinds.pop()) if len(kinds) == 1 else None
                return unit_colors(values, notes, top)
    return None


def _add_uv(mesh: PolygonMesh, found: dict[str, Columns]) -> None:
    """Adds the UV coordinates of the corners of faces, or those of vertices."""
    lists = found["face"].lists if "face" in found else {}
    if "texcoord" in lists:
        items, sizes = lists["texcoord"]
        if len(sizes) == len(mesh.polygons.counts) and (sizes == 2 * mesh.polygons.counts).all():
            mesh.uv = flipped_uv(items.reshape(-1, 2))
            mesh.corner_uv = np.arange(len(mesh.uv))
            return
        mesh.notes.append("dropped the UV coordinates, which some faces do not have")
    values = found["vertex"].values
    for names in UV:
        if all(name in values for name in names):
            mesh.uv = flipped_uv(np.stack([values[name] for name in names], 1))
            mesh.corner_uv = mesh.polygons.corners
            return


def write_ply(mesh: RawMesh) -> bytes:
    """Binary PLY with colors of 8 bits; float32, or float64 far from the origin."""
    number = "<f8" if far_origin(mesh.vertices).any() else "<f4"
    columns: list[tuple[str, str]] = [(axis, number) for axis in "xyz"]
    if mesh.colors is not None:
        columns += [(name, "u1") for name in ("red", "green", "blue")]
    kinds = {"<f4": "float", "<f8": "double", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0"]
    header += ["comment y is up; lengths are in the units of the input"]
    header += [f"element vertex {len(mesh.vertices)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in columns]
    header += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices"]
    points = np.zeros(len(mesh.vertices), dtype=columns)
    for axis, name in enumerate("xyz"):
        points[name] = mesh.vertices[:, axis]
    if mesh.colors is not None:
        for channel, name in enumerate(("red", "green", "blue")):
            points[name] = (np.clip(mesh.colors[:, channel], 0, 1) * 255).round()
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    return "\n".join([*header, "end_header", ""]).encode() + points.tobytes() + faces.tobytes()
