"""Cleaning of meshes from files, with notes of every change."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.geometry.io.formats import MAX_VERTICES, check_counts
from guidance.geometry.io.raw_mesh import RawMesh, check_corners, check_points, far_origin
from guidance.geometry.topology import EdgeSides, edge_sides, num_holes

Array = Any
#: A face with a smaller area, relative to the squared size of the mesh, is degenerate.
NO_AREA = 1e-16


def repair(mesh: RawMesh, where: str) -> RawMesh:
    """The same surface, with a note for each change and for each defect that remains.

    Vertices with the same position and color are merged, so that the surface does not tear when it
    is deformed. Degenerate and duplicate faces and unused vertices are removed. Faces are oriented
    like their neighbors, and outwards if the mesh is closed. Otherwise vertices and faces keep
    their order. Holes are not filled.

    Raises:
        InputError: vertices are not finite, faces refer to missing vertices, or no face is left.
    """
    # The vertices of formats that share none are counted when they are merged.
    check_counts(min(len(mesh.vertices), MAX_VERTICES), len(mesh.faces), where)
    vertices, faces, colors = mesh.vertices, mesh.faces, mesh.colors
    uv, face_uv, face_material = mesh.uv, mesh.face_uv, mesh.face_material
    notes = list(mesh.notes)
    check_points(vertices, where)
    check_corners(faces, len(vertices), where)
    if uv is not None and not np.isfinite(uv).all():
        notes.append("dropped the UV coordinates, which have NaN or infinite values")
        uv = face_uv = None
    keys = vertices - far_origin(vertices)
    keys = keys if colors is None else np.hstack([keys, colors])
    first, of_vertex = _merge(keys.astype(np.float32))
    if len(first) < len(vertices):
        notes.append(
            f"merged {len(vertices) - len(first):,} vertices with others at their position"
        )
        faces = of_vertex[faces]
        vertices, colors = vertices[first], None if colors is None else colors[first]
    check_counts(len(vertices), len(faces), where)
    kept = _proper(vertices, faces)
    if not kept.all():
        notes.append(f"removed {int((~kept).sum()):,} degenerate faces")
        faces, face_uv, face_material = _rows(kept, faces, face_uv, face_material)
    once = _first_of_each(faces, len(vertices))
    if len(once) < len(faces):
        notes.append(f"removed {len(faces) - len(once):,} duplicate faces")
        faces, face_uv, face_material = _rows(once, faces, face_uv, face_material)
    if not len(faces):
        raise InputError(f"{where}: all faces have zero area; export a mesh with a surface")
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    if not used.all():
        notes.append(f"removed {int((~used).sum()):,} vertices without a face")
        faces = (np.cumsum(used) - 1)[faces]
        vertices, colors = vertices[used], None if colors is None else colors[used]
    oriented = _orient(vertices, faces, notes)
    if face_uv is not None:
        face_uv = _reorder_corners(faces, oriented, face_uv)
    return RawMesh(vertices, oriented, colors, notes, uv, face_uv, mesh.given, face_material)


def _rows(chosen: Array, *arrays: Array) -> tuple[Array, ...]:
    return tuple(None if array is None else array[chosen] for array in arrays)


def _merge(keys: Array) -> tuple[Array, Array]:
    """The first of each distinct row of float32, in order, and for each row its index among these.

    Rows are sorted by a hash of 64 bits, which is many times faster than by their columns.
    """
    words = (keys + np.float32(0)).view(np.uint32).astype(np.uint64)  # -0 equals 0
    hashed = np.zeros(len(words), np.uint64)
    with np.errstate(over="ignore"):
        for column in words.T:
            hashed = (hashed ^ column) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(29)
    _, first, inverse = np.unique(hashed, return_index=True, return_inverse=True)
    if (keys != keys[first[inverse]]).any():  # two rows have the same hash
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(len(first))
    return first[order], rank[inverse.reshape(-1)]


def _first_of_each(faces: Array, num_vertices: int) -> Array:
    """The first of each distinct set of corners, in order."""
    a, b, c = np.sort(faces, axis=1).T
    keys = (a * num_vertices + b) * num_vertices + c  # below 2^63 for 2 million vertices
    return np.sort(np.unique(keys, return_index=True)[1])


def _proper(vertices: Array, faces: Array) -> Array:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return areas > NO_AREA * max(float(np.ptp(vertices, axis=0).max()), 1e-150) ** 2


def _orient(vertices: Array, faces: Array, notes: list[str]) -> Array:
    """Faces oriented like their neighbors, and outwards if the mesh is closed."""
    sides = edge_sides(torch.from_numpy(faces))
    pairs = (sides.counts() == 2).nonzero()[:, 0]
    first = sides.start[pairs]
    agree = sides.along[first] != sides.along[first + 1]
    if not bool(agree.all()):
        import trimesh

        mesh = trimesh.Trimesh(vertices, faces, process=False)
        trimesh.repair.fix_winding(mesh)  # type: ignore[no-untyped-call]
        flipped = np.asarray(mesh.faces, dtype=np.int64)
        count = int((flipped != faces).any(1).sum())
        notes.append(f"flipped {count:,} faces to the orientation of their neighbors")
        faces = flipped
        sides = edge_sides(torch.from_numpy(faces))
    if sides.is_closed():
        a, b, c = (vertices[faces[:, corner]] - vertices.mean(0) for corner in range(3))
        if (a * np.cross(b, c)).sum() < 0:
            notes.append("flipped all faces, which pointed inwards")
            faces = faces[:, ::-1].copy()
    _note_defects(sides, notes)
    return faces


def _reorder_corners(before: Array, after: Array, face_uv: Array) -> Array:
    """UV indices in the corner order of `after`, the same faces with reordered corners."""
    order = (after[:, :, None] == before[:, None, :]).argmax(2)
    return np.take_along_axis(face_uv, order, 1)


def _note_defects(sides: EdgeSides, notes: list[str]) -> None:
    """Notes the defects that are not repaired."""
    holes = num_holes(sides)
    if holes:
        notes.append(f"has {holes:,} hole{'s' if holes > 1 else ''}, not filled")
    crowded = int((sides.counts() > 2).sum())
    if crowded:
        plural = "s" if crowded > 1 else ""
        notes.append(f"has {crowded:,} non-manifold edge{plural} (more than two faces)")
