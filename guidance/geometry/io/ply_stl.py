"""PLY and STL: reading by trimesh, writing in binary."""

from __future__ import annotations

import io
import struct
from typing import Any, Literal

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.raw_mesh import RawMesh, far_origin


def read_ply_or_stl(content: bytes, kind: Literal["ply", "stl"], where: str) -> RawMesh:
    """The triangles and vertex colors of a PLY or STL file, and texture coordinates of a PLY.

    trimesh gets no resolver, so it cannot open other files.

    Raises:
        InputError: the file cannot be read.
    """
    import trimesh

    try:
        scene = trimesh.load_scene(io.BytesIO(content), file_type=kind, process=False)
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh)]
        made: Any = trimesh.util.concatenate(parts) if len(parts) > 1 else parts[0]
        vertices = np.array(made.vertices, dtype=np.float64)
        faces = np.array(made.faces, dtype=np.int64)
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        NotImplementedError,
        struct.error,
        trimesh.exchange.stl.HeaderError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{where}: cannot be read as {kind.upper()} ({reason})") from None
    colors = None
    if made.visual.kind == "vertex":
        colors = np.asarray(made.visual.vertex_colors, dtype=np.float64)[:, :3] / 255
    raw = RawMesh(vertices.reshape(-1, 3), faces.reshape(-1, 3), colors)
    uv = getattr(made.visual, "uv", None)
    if uv is not None and len(uv) == len(raw.vertices):
        raw.uv, raw.face_uv = np.asarray(uv, dtype=np.float64) * [1, -1] + [0, 1], raw.faces
    return raw


def write_ply(mesh: RawMesh) -> bytes:
    """Binary PLY with colors of 8 bits; float32, or float64 far from the origin."""
    number = "<f8" if far_origin(mesh.vertices).any() else "<f4"
    columns: list[tuple[str, str]] = [(axis, number) for axis in "xyz"]
    if mesh.colors is not None:
        columns += [(name, "u1") for name in ("red", "green", "blue")]
    kinds = {"<f4": "float", "<f8": "double", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
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


def write_stl(mesh: RawMesh) -> bytes:
    """Binary STL: face normals and corners in float32, no colors."""
    kind = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")]
    records = np.zeros(len(mesh.faces), dtype=kind)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = normals / np.where(lengths > 0, lengths, 1)
    records["corners"] = corners
    return b"guidance".ljust(80, b"\0") + struct.pack("<I", len(records)) + records.tobytes()
