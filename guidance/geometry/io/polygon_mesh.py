"""Meshes of polygons, as text formats and PLY store them, and their triangles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from guidance.geometry.io.colors import colors_of_faces
from guidance.geometry.io.formats import check_counts
from guidance.geometry.io.polygons import Polygons, triangulate
from guidance.geometry.io.raw_mesh import RawMesh, check_corners, check_points

Array = Any


@dataclass
class PolygonMesh:
    """Vertices and polygons, with what a file stores for them."""

    points: Array  # float64 [p, 3]
    polygons: Polygons
    colors: Array | None = None  # of vertices, sRGB in [0, 1]
    face_colors: Array | None = None  # of polygons
    uv: Array | None = None  # [q, 2], v downwards
    corner_uv: Array | None = None  # of each corner; -1 for none
    notes: list[str] = field(default_factory=list)

    def triangles(self, where: str) -> RawMesh:
        """The mesh of triangles; polygons with fewer than three corners are left out, with a note.

        Raises:
            InputError: too large, empty, or damaged.
        """
        check_points(self.points, where)
        check_corners(self.polygons.corners, len(self.points), where)
        polygons, kept, short = self.polygons.at_least_three()
        if short:
            self.notes.append(f"left out faces with fewer than three corners: {short:,}")
        check_counts(len(self.points), len(polygons.counts), where)
        pieces, owner = triangulate(polygons, self.points, where)
        faces = polygons.corners[pieces]
        mesh = RawMesh(self.points, faces, self.colors, self.notes)
        if self.face_colors is not None:
            colors = self.face_colors[self.polygons.counts >= 3]
            if self.colors is None:
                mesh.colors = colors_of_faces(colors, faces, owner, len(self.points), self.notes)
            else:
                self.notes.append("dropped the colors of faces, since vertices have colors too")
        if self.uv is not None and self.corner_uv is not None:
            self._add_uv(mesh, self.corner_uv[kept][pieces])
        return mesh

    def _add_uv(self, mesh: RawMesh, face_uv: Array) -> None:
        assert self.uv is not None
        missing = (face_uv < 0) | (face_uv >= len(self.uv))
        if not missing.any():
            mesh.uv, mesh.face_uv = self.uv, face_uv
        elif (face_uv >= len(self.uv)).any() or missing.all():
            self.notes.append("dropped the UV coordinates, because faces refer to missing ones")
        else:
            self.notes.append("dropped the UV coordinates, which some faces do not have")


def flipped_uv(uv: Array) -> Array:
    """UV coordinates with v downwards from those with v upwards, and the other way around."""
    return np.asarray(uv, dtype=np.float64)[:, :2] * [1, -1] + [0, 1]
