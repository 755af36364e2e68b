"""What the judge is shown of a finished mesh: a ring of views, painted and in plain grey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from guidance.errors import InputError
from guidance.evaluate.scoring import Shown
from guidance.evaluate.shape import measure
from guidance.geometry.deformation import Deformation
from guidance.geometry.mesh_io import Normalization, load_mesh
from guidance.meshes import MeshScene
from guidance.rendering.cameras import Orbit
from guidance.rendering.environment import find_environment
from guidance.rendering.material import Skin, render_material, texels_of
from guidance.rendering.shading import render_mesh

VIEWS, SIDE = 8, 224
LIGHT = "studio"


@torch.no_grad()
def show_mesh(path: Path, deformation: Path | None = None) -> Shown:
    """Eight pictures from all around over white, with the mesh's colours or maps and without.

    Its shape is measured as well.

    Args:
        deformation: a file that tells the mesh's rest shape, to measure against.

    Raises:
        InputError: the file cannot be read as a mesh, or has no colours.
    """
    mesh = load_mesh(path, maps=True).mesh
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices).float()
    scene = MeshScene(vertices[None], mesh.faces, vertices)
    cameras = Orbit(size=(SIDE, SIDE)).ring(1, VIEWS)
    if mesh.material is not None and mesh.uv is not None:
        skin, texels = Skin.of(replace(mesh, vertices=vertices)), texels_of(mesh.material)
        painted = render_material(skin, texels[None], cameras, find_environment(LIGHT))
    elif mesh.colors is not None:
        painted = render_mesh(scene, cameras, mesh.colors[None])
    else:
        raise InputError(
            f"{path}: has no colours of vertices and no maps, so there is nothing painted to judge"
        )
    plain = render_mesh(scene, cameras)
    if deformation is None:
        shape = measure(mesh)
    else:
        known = Deformation.load(deformation)
        shape = measure(known.at(1.0), known.mesh)
    pictures, grey = (seen.over().clamp(0, 1)[0] for seen in (painted, plain))
    return Shown(pictures, grey, shape, cameras.azimuth_deg[0])
