"""Every mode accepts meshes with defects, and exports them at their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.loop.optimize import optimize
from guidance.rendering.normals import show_normals
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import made

from .hard_meshes import FILES, TEXTS, ball, obj, write

MODES: dict[str, dict[str, Any]] = {
    "stylize": {"edge_length": 0.5},
    "deform": {"edge_length": 0.5},
    "texture": {"finest": 4, "texels": 32, "map_size": 32},
}
SMALL: dict[str, Any] = {"views": 2, "resolution": 32, "crops": 2, "steps": 2, "device": "cpu"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [*TEXTS, *FILES])
def test_two_steps_on_a_hard_mesh(name: str, mode: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    formats = "glb,obj" if mode == "texture" else "glb,obj,ply,stl"
    task = made(
        TextToMesh,
        prompt="a red heart",
        mesh=str(path),
        mode=mode,
        formats=formats,
        **SMALL,
        **MODES[mode],
    )
    plan = task.build()
    before = {name: value.clone() for name, value in plan.generator.named_parameters()}
    moved = []

    def compare(event: object) -> None:
        now = dict(plan.generator.named_parameters())
        moved.append(any(not torch.equal(before[name], value) for name, value in now.items()))

    result = optimize(
        plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[compare]
    )
    assert any(moved)
    assert result.skipped == 0
    assert torch.tensor(result.losses).isfinite().all()
    alpha = result.rendering.alpha
    assert alpha is not None and result.images.isfinite().all()
    assert alpha.amax() > 0.3  # the mesh is visible
    assert show_normals(result.rendering).isfinite().all()
    out = tmp_path / "out"
    out.mkdir()
    given = load_mesh(path).mesh.vertices.double()
    size = float((given.amax(0) - given.amin(0)).max())
    files = plan.generator.export(out, 0)
    meshes = [file for file in files if file.suffix in (".glb", ".obj", ".ply", ".stl")]
    assert len(meshes) == len(formats.split(","))
    for file in meshes:
        if file.suffix == ".stl" and name == "far away":
            continue  # in single precision, its shape is lost there
        found = load_mesh(file).mesh.vertices.double()
        slack = 0.3 * size  # what two steps move at most
        assert (found.amin(0) - given.amin(0)).abs().max() < slack, file.name
        assert (found.amax(0) - given.amax(0)).abs().max() < slack, file.name


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply"])
def test_a_shape_in_coordinates_of_millions_keeps_its_shape(suffix: str, tmp_path: Path) -> None:
    near = load_mesh(_written(tmp_path, "near.obj", 0.0)).mesh
    far = load_mesh(_written(tmp_path, "far.obj", 5e6)).mesh
    assert far.vertices.dtype == torch.float64 and near.vertices.dtype == torch.float32
    assert torch.equal(far.faces, near.faces)
    assert torch.allclose(far.vertices - 5e6, near.vertices.double(), atol=1e-6)
    again = load_mesh(save_mesh(far, tmp_path / f"again{suffix}")).mesh
    assert torch.allclose(again.vertices - 5e6, near.vertices.double(), atol=1e-6)


def _written(folder: Path, name: str, offset: float) -> Path:
    mesh = ball()
    path = folder / name
    path.write_text(obj(mesh.vertices.double() + offset, mesh.faces))
    return path
