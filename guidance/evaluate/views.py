"""Views of a finished mesh for the judge: a ring of cameras, with texture and in plain grey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.evaluate.scoring import SampleImages
from guidance.evaluate.shape import measure
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh
from guidance.geometry.io.maps import material_of, shown_colors, unsupported
from guidance.geometry.normalization import Normalization
from guidance.meshes import Mesh, MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.environment import find_environment
from guidance.rendering.material import MaterialMesh, pack_material, render_material
from guidance.rendering.shading import render_mesh
from guidance.views import Cameras

VIEWS, SIDE = 8, 224
LIGHT = "studio"


@torch.no_grad()
def mesh_images(path: Path, deformation: Path | None = None) -> SampleImages:
    """Eight views around a mesh over white, with and without its colors, and its quality.

    Args:
        path: a mesh file.
        deformation: a file with the mesh's rest shape, relative to which quality is measured.

    Raises:
        InputError: the file cannot be read as a mesh, or has no colors.
    """
    mesh = load_mesh(path).mesh
    if mesh.given is not None and unsupported(mesh.given) is None and mesh.colors is None:
        mesh = replace(mesh, material=material_of(mesh.given, str(path)))
    colors = shown_colors(mesh)
    scene, cameras = _scene(mesh), _cameras()
    if mesh.material is not None and mesh.uv is not None:
        surface = MaterialMesh.of(replace(mesh, vertices=scene.vertices[0]))
        texels = pack_material(mesh.material)
        rendering = render_material(surface, texels[None], cameras, find_environment(LIGHT))
    elif colors is not None:
        rendering = render_mesh(scene, cameras, colors[None])
    else:
        raise InputError(
            f"{path}: expected a mesh with vertex colors or texture maps, got one without; export "
            "it with colors"
        )
    if deformation is None:
        shape = measure(mesh)
    else:
        known = Deformation.load(deformation)
        shape = measure(known.at(1.0), known.mesh)
    images = rendering.over().clamp(0, 1)[0]
    return SampleImages(images, textureless_images(mesh), shape, cameras.azimuth_deg[0])


@torch.no_grad()
def textureless_images(mesh: Mesh) -> Float[Tensor, "v 3 h w"]:
    """The same eight views of a mesh in plain grey."""
    return render_mesh(_scene(mesh), _cameras()).over().clamp(0, 1)[0]


def _scene(mesh: Mesh) -> MeshScene:
    """The mesh centered and scaled to radius 1."""
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices).float()
    return MeshScene(vertices[None], mesh.faces, vertices)


def _cameras() -> Cameras:
    return Orbit(size=(SIDE, SIDE)).ring(1, VIEWS)
