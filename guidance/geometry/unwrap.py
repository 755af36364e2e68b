"""UV coordinates for meshes without usable ones, by xatlas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.meshes import Mesh

#: Texels between two charts and at the border, in a map with this many texels per side.
GUTTER, SIDE = 4, 256
#: UV coordinates whose faces cover a smaller share of the square are not usable.
NO_AREA = 1e-5


def with_uv(mesh: Mesh, *, anew: bool = False) -> tuple[Mesh, tuple[str, ...]]:
    """The mesh with its UV coordinates, or with new ones if it has no usable ones.

    Vertices and faces keep their order. The result is deterministic.

    Args:
        anew: replaces existing UV coordinates, e.g. because faces overlap in the map.

    Returns:
        The mesh, and notes for the user.

    Raises:
        InputError: xatlas cannot unwrap the mesh.
    """
    if mesh.uv is not None and mesh.face_uv is not None and not anew:
        corners = mesh.uv[mesh.face_uv.long()].double()
        edges = corners[:, 1:] - corners[:, :1]
        area = (edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]).abs().sum() / 2
        if area > NO_AREA:
            return mesh, ()
        return _unwrapped(mesh), ("replaced the UV coordinates, whose faces have no area",)
    return _unwrapped(mesh), ()


def _unwrapped(mesh: Mesh) -> Mesh:
    import xatlas

    vertices = mesh.vertices.detach().cpu().double().numpy()
    # xatlas ignores lengths below about 1e-6, and large coordinates lose precision.
    vertices = (vertices - vertices.mean(0)) / max(float(np.ptp(vertices, axis=0).max()), 1e-150)
    faces = mesh.faces.detach().cpu().numpy()
    options: Any = xatlas.PackOptions()
    options.padding, options.resolution, options.bilinear = GUTTER, SIDE, True
    atlas: Any = xatlas.Atlas()
    try:
        atlas.add_mesh(vertices.astype(np.float32), faces.astype(np.uint32))
        atlas.generate(xatlas.ChartOptions(), options)
        origin, corners, uv = atlas[0]
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"xatlas cannot unwrap the mesh ({error}); unwrap it in a modeling program"
        ) from None
    if corners.shape != faces.shape or not (origin[corners] == faces).all():
        raise InputError("xatlas cannot unwrap the mesh; unwrap it in a modeling program")
    # xatlas leaves only half a texel at the border, where maps repeat.
    margin = GUTTER / SIDE
    placed = margin + (1 - 2 * margin) * torch.from_numpy(uv.astype(np.float32)).clamp(0, 1)
    return replace(mesh, uv=placed, face_uv=torch.from_numpy(corners.astype(np.int64)))
