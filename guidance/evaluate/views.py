"""What the judge is shown of a finished mesh: a ring of views, painted and in plain grey."""

from __future__ import annotations

from pathlib import Path

import torch

from guidance.errors import InputError
from guidance.evaluate.scoring import Shown
from guidance.geometry.mesh_io import Normalization, load_mesh
from guidance.rendering.cameras import Orbit
from guidance.rendering.shading import render_mesh
from guidance.types import MeshScene

VIEWS, SIDE = 8, 224


@torch.no_grad()
def show_mesh(path: Path) -> Shown:
    """Eight pictures from all around over white, with the mesh's colours and without.

    Raises:
        InputError: the file cannot be read as a mesh, or has no colours.
    """
    mesh = load_mesh(path).mesh
    if mesh.colors is None:
        raise InputError(
            f"{path}: has no colours of vertices, so there is nothing painted to judge"
        )
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices)
    scene = MeshScene(vertices[None], mesh.faces, vertices)
    cameras = Orbit(size=(SIDE, SIDE)).ring(1, VIEWS)
    painted, plain = (
        render_mesh(scene, cameras, colors).over().clamp(0, 1)[0]
        for colors in (mesh.colors[None], None)
    )
    return Shown(painted, plain)
