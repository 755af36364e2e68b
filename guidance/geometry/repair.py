"""Takes out of a mesh what cannot be rendered or moved, and says what was done."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.geometry.io.formats import check_counts
from guidance.geometry.io.raw import RawMesh, far_origin
from guidance.geometry.topology import boundary_loops, edge_sides

Array = Any
#: A face of less than this area, in squared sizes of the mesh, is a line or a point.
NO_AREA = 1e-16


def repair(mesh: RawMesh, where: str) -> RawMesh:
    """The same surface, with notes of all that was changed or looks wrong.

    Vertices at one place and of one colour become one, so that the surface does not tear where it
    moves; faces that are degenerate or doubled, and vertices without a face, are removed; faces
    are turned to agree with their neighbours, and outwards if the mesh is closed. Where nothing is
    wrong, vertices and faces keep their order. Holes stay.

    Raises:
        InputError: not finite; faces without their vertices; nothing left.
    """
    check_counts(len(mesh.vertices), len(mesh.faces), where)
    vertices, faces, colors = mesh.vertices, mesh.faces, mesh.colors
    uv, face_uv = mesh.uv, mesh.face_uv
    notes = list(mesh.notes)
    if not np.isfinite(vertices).all() or (colors is not None and not np.isfinite(colors).all()):
        bad = int((~np.isfinite(vertices)).any(1).sum())
        raise InputError(f"{where}: {bad:,} of its vertices are not finite numbers; export it anew")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(
            f"{where}: a face names vertex {int(faces.max())}, but there are {len(vertices):,}"
        )
    if uv is not None and not np.isfinite(uv).all():
        notes.append("its texture coordinates are not finite numbers, so none are used")
        uv = face_uv = None
    keys = vertices - far_origin(vertices)
    keys = keys if colors is None else np.hstack([keys, colors])
    first, of_vertex = _merge(keys.astype(np.float32))
    if len(first) < len(vertices):
        notes.append(f"merged {len(vertices) - len(first):,} vertices into others at their place")
        faces = of_vertex[faces]
        vertices, colors = vertices[first], None if colors is None else colors[first]
    kept = _proper(vertices, faces)
    if not kept.all():
        notes.append(f"removed {int((~kept).sum()):,} degenerate faces")
        faces, face_uv = faces[kept], None if face_uv is None else face_uv[kept]
    once = _first_of_each(np.sort(faces, axis=1))
    if len(once) < len(faces):
        notes.append(f"removed {len(faces) - len(once):,} faces that were there twice")
        faces, face_uv = faces[once], None if face_uv is None else face_uv[once]
    if not len(faces):
        raise InputError(f"{where}: none of its faces has an area; it is an empty mesh")
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    if not used.all():
        notes.append(f"removed {int((~used).sum()):,} vertices that no face uses")
        faces = (np.cumsum(used) - 1)[faces]
        vertices, colors = vertices[used], None if colors is None else colors[used]
    turned = _turn(vertices, faces, notes)
    if face_uv is not None:
        face_uv = _follow(faces, turned, face_uv)
    _look(turned, notes)
    return RawMesh(vertices, turned, colors, notes, uv, face_uv)


def _merge(keys: Array) -> tuple[Array, Array]:
    """Indices of rows that are new, in their order; and for each row the number of its like."""
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


def _turn(vertices: Array, faces: Array, notes: list[str]) -> Array:
    """Faces oriented like their neighbours, outwards if they enclose a volume."""
    sides = edge_sides(torch.from_numpy(faces))
    pairs = (sides.counts() == 2).nonzero()[:, 0]
    first = sides.start[pairs]
    agree = sides.along[first] != sides.along[first + 1]
    if not bool(agree.all()):
        import trimesh

        made = trimesh.Trimesh(vertices, faces, process=False)
        trimesh.repair.fix_winding(made)  # type: ignore[no-untyped-call]
        turned = np.asarray(made.faces, dtype=np.int64)
        notes.append(f"turned {int((turned != faces).any(1).sum()):,} faces like their neighbours")
        faces = turned
    if edge_sides(torch.from_numpy(faces)).is_closed():
        a, b, c = (vertices[faces[:, corner]] - vertices.mean(0) for corner in range(3))
        if (a * np.cross(b, c)).sum() < 0:
            notes.append("turned the whole mesh, which was inside out")
            faces = faces[:, ::-1].copy()
    return faces


def _follow(before: Array, after: Array, face_uv: Array) -> Array:
    """Texture coordinates of corners that were put in another order."""
    order = (after[:, :, None] == before[:, None, :]).argmax(2)
    return np.take_along_axis(face_uv, order, 1)


def _look(faces: Array, notes: list[str]) -> None:
    """Notes what stays as it is, but may surprise."""
    tensor = torch.from_numpy(faces)
    holes = boundary_loops(tensor)
    if holes:
        notes.append(f"has holes, which stay open: {holes:,}")
    crowded = int((edge_sides(tensor).counts() > 2).sum())
    if crowded:
        notes.append(f"has edges where more than two faces meet: {crowded:,}")
