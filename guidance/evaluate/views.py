"""What the judge is shown of a finished mesh: a ring of views, painted and in plain grey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.evaluate.scoring import Shown
from guidance.evaluate.shape import measure
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import Normalization, load_mesh
from guidance.meshes import Mesh, MeshScene
from guidance.rendering.environment import find_environment
from guidance.rendering.material import Skin, render_material, texels_of
from guidance.rendering.orbit import Orbit
from guidance.rendering.shading import render_mesh
from guidance.views import Cameras

VIEWS, SIDE = 8, 224
LIGHT = "studio"


@torch.no_grad()
def show_mesh(path: Path, deformation: Path | None = None) -> Shown:
    """Eight images from all around over white, with the mesh's colours or maps and without.

    Its shape is measured as well.

    Args:
        deformation: a file that tells the mesh's rest shape, to measure against.

    Raises:
        InputError: the file cannot be read as a mesh, or has no colours.
    """
    mesh = load_mesh(path, maps=True).mesh
    scene, cameras = _scene(mesh), _cameras()
    if mesh.material is not None and mesh.uv is not None:
        skin, texels = Skin.of(replace(mesh, vertices=scene.vertices[0])), texels_of(mesh.material)
        painted = render_material(skin, texels[None], cameras, find_environment(LIGHT))
    elif mesh.colors is not None:
        painted = render_mesh(scene, cameras, mesh.colors[None])
    else:
        raise InputError(
            f"{path}: has no colours of vertices and no maps, so there is nothing painted to judge"
        )
    if deformation is None:
        shape = measure(mesh)
    else:
        known = Deformation.load(deformation)
        shape = measure(known.at(1.0), known.mesh)
    pictures = painted.over().clamp(0, 1)[0]
    return Shown(pictures, plain_views(mesh), shape, cameras.azimuth_deg[0])


@torch.no_grad()
def plain_views(mesh: Mesh) -> Float[Tensor, "v 3 h w"]:
    """The same eight images of a mesh in plain grey: what its shape says by itself."""
    return render_mesh(_scene(mesh), _cameras()).over().clamp(0, 1)[0]


def _scene(mesh: Mesh) -> MeshScene:
    """In the middle, of radius 1."""
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices).float()
    return MeshScene(vertices[None], mesh.faces, vertices)


def _cameras() -> Cameras:
    return Orbit(size=(SIDE, SIDE)).ring(1, VIEWS)
