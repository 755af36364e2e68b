"""Texture coordinates for meshes that have none, cut and packed by xatlas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.meshes import Mesh

#: Texels between two pieces, and at the border, where the maps have this many a side.
GUTTER, SIDE = 4, 256
#: Coordinates that cover less of the square, all faces together, are no map of the surface.
NO_AREA = 1e-5


def with_uv(mesh: Mesh, *, anew: bool = False) -> tuple[Mesh, tuple[str, ...]]:
    """The mesh with its own texture coordinates, or with new ones if it has none that can be used.

    Vertices and faces keep their order. The same mesh gets the same coordinates on each call.

    Args:
        anew: replaces coordinates that the mesh has, e.g. because its faces share texels.

    Returns:
        The mesh, and notes for the user.

    Raises:
        InputError: xatlas cannot cut the mesh.
    """
    if mesh.uv is not None and mesh.face_uv is not None and not anew:
        corners = mesh.uv[mesh.face_uv.long()].double()
        edges = corners[:, 1:] - corners[:, :1]
        area = (edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]).abs().sum() / 2
        if area > NO_AREA:
            return mesh, ()
        return _unwrapped(mesh), ("its texture coordinates have no area; new ones are made",)
    return _unwrapped(mesh), ()


def _unwrapped(mesh: Mesh) -> Mesh:
    import xatlas

    vertices = mesh.vertices.detach().cpu().double().numpy()
    # xatlas takes lengths below 1e-6 or so for nothing, and large coordinates lose digits.
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
            f"the mesh cannot be unwrapped ({error}); unwrap it in a modeling program"
        ) from None
    if corners.shape != faces.shape or not (origin[corners] == faces).all():
        raise InputError("the mesh cannot be unwrapped; unwrap it in a modeling program")
    # xatlas leaves half a texel at the border, beyond which maps repeat.
    margin = GUTTER / SIDE
    placed = margin + (1 - 2 * margin) * torch.from_numpy(uv.astype(np.float32)).clamp(0, 1)
    return replace(mesh, uv=placed, face_uv=torch.from_numpy(corners.astype(np.int64)))
