"""Cleaning of meshes from files, with notes of every change."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.geometry.io.formats import check_counts
from guidance.geometry.io.raw_mesh import RawMesh, far_origin
from guidance.geometry.topology import boundary_loops, edge_sides

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
    check_counts(len(mesh.vertices), len(mesh.faces), where)
    vertices, faces, colors = mesh.vertices, mesh.faces, mesh.colors
    uv, face_uv = mesh.uv, mesh.face_uv
    notes = list(mesh.notes)
    if not np.isfinite(vertices).all() or (colors is not None and not np.isfinite(colors).all()):
        bad = int((~np.isfinite(vertices)).any(1).sum())
        raise InputError(
            f"{where}: {bad:,} vertices have NaN or infinite values; export the mesh again"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(
            f"{where}: a face refers to vertex {int(faces.max())}, but there are "
            f"{len(vertices):,} vertices; the file is damaged, export it again"
        )
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
    kept = _proper(vertices, faces)
    if not kept.all():
        notes.append(f"removed {int((~kept).sum()):,} degenerate faces")
        faces, face_uv = faces[kept], None if face_uv is None else face_uv[kept]
    once = _first_of_each(np.sort(faces, axis=1))
    if len(once) < len(faces):
        notes.append(f"removed {len(faces) - len(once):,} duplicate faces")
        faces, face_uv = faces[once], None if face_uv is None else face_uv[once]
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
    _note_defects(oriented, notes)
    return RawMesh(vertices, oriented, colors, notes, uv, face_uv)


def _merge(keys: Array) -> tuple[Array, Array]:
    """The first of each distinct row, in order, and for each row its index among these."""
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(len(first))
    return first[order], rank[inverse.reshape(-1)]


def _first_of_each(rows: Array) -> Array:
    return np.sort(np.unique(rows, axis=0, return_index=True)[1])


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
    if edge_sides(torch.from_numpy(faces)).is_closed():
        a, b, c = (vertices[faces[:, corner]] - vertices.mean(0) for corner in range(3))
        if (a * np.cross(b, c)).sum() < 0:
            notes.append("flipped all faces, which pointed inwards")
            faces = faces[:, ::-1].copy()
    return faces


def _reorder_corners(before: Array, after: Array, face_uv: Array) -> Array:
    """UV indices in the corner order of `after`, the same faces with reordered corners."""
    order = (after[:, :, None] == before[:, None, :]).argmax(2)
    return np.take_along_axis(face_uv, order, 1)


def _note_defects(faces: Array, notes: list[str]) -> None:
    """Notes the defects that are not repaired."""
    tensor = torch.from_numpy(faces)
    holes = boundary_loops(tensor)
    if holes:
        notes.append(f"has {holes:,} hole{'s' if holes > 1 else ''}, not filled")
    crowded = int((edge_sides(tensor).counts() > 2).sum())
    if crowded:
        plural = "s" if crowded > 1 else ""
        notes.append(f"has {crowded:,} non-manifold edge{plural} (more than two faces)")
