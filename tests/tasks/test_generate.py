"""Meshes from the prompt alone: files, symmetry, resuming, and what needs a mesh to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from guidance.errors import InputError
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.geometry.io.files import load_mesh
from guidance.geometry.topology import edge_sides
from guidance.loop.events import StepEvent
from guidance.loop.optimize import optimize
from guidance.tasks.text2mesh import TextToMesh
from guidance.types import StepContext
from guidance.views import Cameras
from tests.tasks.options import differ, made, trace

COMMON: dict[str, Any] = {"views": 2, "resolution": 32, "crops": 2, "steps": 2}
SPHERE: dict[str, Any] = {
    **COMMON,
    "mode": "generate",
    "edge_length": 0.2,
    "finest": 4,
    "map_size": 32,
}
GRID: dict[str, Any] = {**COMMON, "mode": "generate_grid", "cells": 8}
MODES = ("generate", "generate_grid")


@pytest.mark.parametrize("small", [SPHERE, GRID], ids=MODES)
@pytest.mark.parametrize("option", [{"seed": 7}, {"view_prompts": True}], ids=str)
def test_options_of_the_task_change_the_result(
    option: dict[str, Any], small: dict[str, Any]
) -> None:
    assert differ(trace(TextToMesh, **small), trace(TextToMesh, **small, **option))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mesh": "cube"}, "--mesh: --mode {mode} creates a mesh from the prompt alone; remove"),
        ({"region": "box:,50%,,,,"}, "--region: --mode {mode} creates a mesh from the prompt al"),
        ({"front": "auto"}, "--front auto, --anchor auto: --mode {mode} has no mesh to render"),
        ({"anchor": "auto"}, "--front auto, --anchor auto: --mode {mode} has no mesh to render"),
        ({"textureless": "0.5 -> 2"}, "textureless: expected a share in"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_need_a_mesh_are_refused(
    options: dict[str, Any], message: str, mode: str
) -> None:
    with pytest.raises(InputError, match=message.format(mode=mode)):
        made(TextToMesh, prompt="a pear", mode=mode, **options).build()


def asymmetry(small: dict[str, Any], **options: Any) -> float:
    """The largest distance of a mirrored vertex from the start mesh, in radii."""
    plan = made(TextToMesh, prompt="a pear", device="cpu", **small, **options).build()
    assert isinstance(plan.generator, MeshGenerator)
    vertices = plan.generator.mesh(0).vertices.double()
    mirrored = vertices * torch.tensor([-1.0, 1, 1]).double()
    return float(torch.cdist(mirrored, vertices).amin(1).max())


@pytest.mark.parametrize("small", [SPHERE, GRID], ids=MODES)
def test_both_halves_are_alike_by_default(small: dict[str, Any]) -> None:
    assert asymmetry(small) < 1e-5
    assert asymmetry(small, symmetric=False) > 1e-3


def test_the_shape_comes_first() -> None:
    views = made(TextToMesh, prompt="a pear", mode="generate", device="cpu").build().views
    assert views is not None
    for progress, count in ((0.0, 4), (0.29, 4), (0.31, 1), (1.0, 1)):
        cameras = views(StepContext((0,), 5, progress))
        assert isinstance(cameras, Cameras) and cameras.textureless is not None
        assert cameras.textureless.sum() == count  # of 4
    still = views(StepContext((0,), phase="validation"))
    assert isinstance(still, Cameras) and still.textureless is None


VIDEOS = {"turntable.mp4", "normals.mp4", "contact.png", "progress.mp4"}


def test_a_sphere_leaves_a_mesh_with_its_map(tmp_path: Path) -> None:
    task = made(
        TextToMesh, prompt="a pear", **{**SPHERE, "map_size": 64}, judge=False, output=tmp_path
    )
    (sample,) = task.run().samples
    maps = {f"mesh_{name}.png" for name in ("base_color", "roughness", "metallic", "normal")}
    names = {path.name for path in sample.files}
    assert names == {"mesh.glb", "mesh.obj", "mesh.mtl"} | maps | VIDEOS
    mesh = load_mesh(sample.folder / "mesh.glb", maps=True).mesh
    assert mesh.material is not None and mesh.material.base_color.shape == (3, 64, 64)
    assert mesh.material.base_color.std() > 0
    assert edge_sides(mesh.faces).is_closed()
    assert float(mesh.vertices.norm(dim=1).max()) == pytest.approx(1, abs=1e-5)


def test_a_grid_leaves_a_closed_mesh_with_colours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {**GRID, "formats": "glb,obj,stl"}
    task = made(TextToMesh, prompt="a pear", **given, judge=False, output=tmp_path)
    (sample,) = task.run().samples
    assert {path.name for path in sample.files} == {"mesh.glb", "mesh.obj", "mesh.stl"} | VIDEOS
    mesh = load_mesh(sample.folder / "mesh.glb").mesh
    assert mesh.colors is not None and mesh.colors.std() > 0
    assert edge_sides(mesh.faces).is_closed()
    assert "mesh.stl: watertight" in capsys.readouterr().err


@pytest.mark.parametrize("small", [SPHERE, GRID], ids=MODES)
def test_a_run_resumes_bit_identically(small: dict[str, Any]) -> None:
    given = {**small, "steps": 5, "samples": 2, "device": "cpu"}
    plan = made(TextToMesh, prompt="a pear", **given).build()
    snapshots: list[dict[str, torch.Tensor]] = []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({k: v.clone() for k, v in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = made(TextToMesh, prompt="a pear", **given).build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images) and whole.losses == resumed.losses
