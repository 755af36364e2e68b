"""Every file that a run of meshes leaves loads again and renders the same."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance.geometry.io.files import load_mesh
from guidance.geometry.io.maps import vertex_colors
from guidance.geometry.normalization import Normalization
from guidance.meshes import Material, Mesh, MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.environment import find_environment
from guidance.rendering.material import MaterialMesh, pack_material, render_material
from guidance.rendering.shading import render_mesh
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import made

#: Of a run's images and of its files' in decibels.
LEAST_PSNR = 35.0
SMALL: dict[str, Any] = {
    "prompt": "a globe",
    "mesh": "cone",
    "steps": 2,
    "views": 2,
    "crops": 2,
    "resolution": 32,
    "device": "cpu",
    "judge": False,
}
TEXTURE = {"mode": "texture", "finest": 8, "texels": 64, "map_size": 256}
CAMERAS = Orbit(num_views=4, size=(128, 128))


def psnr(first: Tensor, second: Tensor) -> float:
    error = float((first - second).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def shown(mesh: Mesh, *, painted: bool = True) -> Tensor:
    """Views of a mesh in its own colours or maps, or in plain grey."""
    places = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float()
    cameras = CAMERAS.fixed(1)
    if painted and mesh.material is not None:
        unit = Mesh(places, mesh.faces.long(), None, mesh.uv, mesh.face_uv)
        texels = pack_material(mesh.material)[None]
        return render_material(
            MaterialMesh.of(unit), texels, cameras, find_environment("studio")
        ).over()
    scene = MeshScene(places[None], mesh.faces.long(), places)
    colors = None
    if painted:
        assert mesh.colors is not None
        colors = mesh.colors[None].float()
    return render_mesh(scene, cameras, colors).over()


def maps_beside(folder: Path) -> Material:
    """The maps of an OBJ, read as another program would."""
    names = {line.split()[1] for line in (folder / "mesh.mtl").read_text().splitlines()[4:]}
    assert names == {
        f"mesh_{kind}.png" for kind in ("base_color", "roughness", "metallic", "normal")
    }

    def read(kind: str) -> Tensor:
        with Image.open(folder / f"mesh_{kind}.png") as picture:
            values = torch.from_numpy(np.array(picture)).float() / 255
        return values.permute(2, 0, 1) if values.ndim == 3 else values[None]

    normal = torch.nn.functional.normalize(2 * read("normal") - 1, dim=0)
    return Material(read("base_color"), read("roughness")[:1], read("metallic")[:1], normal)


@pytest.mark.parametrize("mode", ["stylize", "deform"])
def test_files_with_colours_render_as_the_run_did(mode: str, tmp_path: Path) -> None:
    task = made(TextToMesh, **SMALL, mode=mode, formats="glb,obj,ply,stl", output=tmp_path)
    result = task.run()
    (sample,) = result.samples
    found = {path.name for path in sample.files}
    assert {"mesh.glb", "mesh.obj", "mesh.ply", "mesh.stl"} < found
    assert {"turntable.mp4", "normals.mp4", "contact.png"} < found
    files = {name: load_mesh(sample.folder / f"mesh.{name}").mesh for name in ("glb", "obj", "ply")}
    wanted = shown(files["glb"])
    assert wanted.std() > 0.05
    for mesh in files.values():
        assert psnr(shown(mesh), wanted) >= LEAST_PSNR
    shape = load_mesh(sample.folder / "mesh.stl").mesh
    assert psnr(shown(shape, painted=False), shown(files["glb"], painted=False)) >= LEAST_PSNR
    assert shape.colors is None
    notes = json.loads((result.folder / "DONE.json").read_text())["notes"]
    assert "mesh.stl: watertight" in notes


def test_files_with_maps_render_as_the_run_did(tmp_path: Path) -> None:
    result = made(TextToMesh, **SMALL, **TEXTURE, formats="glb,obj,ply,stl", output=tmp_path).run()
    (sample,) = result.samples
    glb = load_mesh(sample.folder / "mesh.glb", maps=True).mesh
    obj = load_mesh(sample.folder / "mesh.obj").mesh
    assert glb.material is not None and obj.uv is not None and obj.material is None
    beside = Mesh(obj.vertices, obj.faces, None, obj.uv, obj.face_uv, maps_beside(sample.folder))
    assert shown(glb).std() > 0.05
    assert psnr(shown(beside), shown(glb)) >= LEAST_PSNR
    ply, stl = (load_mesh(sample.folder / f"mesh.{name}").mesh for name in ("ply", "stl"))
    assert ply.colors is not None and ply.uv is None and stl.colors is None
    assert ply.colors.std(0).min() > 0.005  # the map's, and no one colour
    assert (ply.colors - vertex_colors(glb)).abs().max() < 2 / 255
    for shape in (ply, stl):
        assert psnr(shown(shape, painted=False), shown(glb, painted=False)) >= LEAST_PSNR
    notes = json.loads((result.folder / "DONE.json").read_text())["notes"]
    assert "mesh.stl: watertight" in notes
