"""Meshes from words alone: options, files, resuming, and what the judge says of the shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from guidance.tasks.mesh.mesh_modes import GRID, ONLY_OF

from guidance.errors import InputError
from guidance.generators.mesh.sphere import SphereMesh
from guidance.geometry.io.files import load_mesh
from guidance.geometry.topology import edge_sides
from guidance.loop.events import StepEvent
from guidance.loop.optimize import optimize
from guidance.tasks.text2mesh import TextToMesh
from guidance.views import Cameras
from tests.tasks.options import differ, trace

COMMON: dict[str, Any] = {
    "mode": "generate",
    "views": 2,
    "resolution": 32,
    "crops": 2,
    "steps": 2,
}
SPHERE: dict[str, Any] = {**COMMON, "edge_length": 0.2, "finest": 4, "map_size": 32}
CUBES: dict[str, Any] = {**COMMON, "surface": "grid", "cells": 8}
SHARED: dict[str, Any] = {
    "asymmetric": True,
    "ambient": 0.9,
    "ambient_jitter": 0.3,
    "textureless": 0.0,
    "bare": "normals",
    "seed": 7,
    "view_prompts": True,
    "offset": 0.4,
    "views": 3,
    "resolution": 48,
}
SPHERE_OPTIONS: dict[str, Any] = {
    **SHARED,
    "edge_length": 0.1,
    "reach": 0.4,
    "finest": 8,
    "normal_consistency": 7.0,
    "surface": "grid",
}
GRID_OPTIONS: dict[str, Any] = {
    **SHARED,
    "cells": 10,
    "frequency": 2.0,
    "eikonal": 7.0,
    "normal_consistency": 7.0,
}


@pytest.fixture(scope="module")
def plain() -> list[Any]:
    return trace(TextToMesh, **SPHERE)


@pytest.mark.parametrize("option", SPHERE_OPTIONS)
def test_every_option_changes_the_sphere(option: str, plain: list[Any]) -> None:
    given = {**SPHERE, option: SPHERE_OPTIONS[option]}
    if option == "surface":
        given = {**COMMON, "surface": "grid"}
    assert differ(plain, trace(TextToMesh, **given))


@pytest.fixture(scope="module")
def plain_grid() -> list[Any]:
    return trace(TextToMesh, **CUBES)


@pytest.mark.parametrize("option", GRID_OPTIONS)
def test_every_option_changes_the_grid(option: str, plain_grid: list[Any]) -> None:
    assert differ(plain_grid, trace(TextToMesh, **{**CUBES, option: GRID_OPTIONS[option]}))


def test_the_options_of_both_surfaces_are_all_walked() -> None:
    own = {name for name, modes in ONLY_OF.items() if {"generate", GRID} & set(modes)}
    assert own <= set(SPHERE_OPTIONS) | set(GRID_OPTIONS) | {"map_size"}


@pytest.mark.parametrize("surface", ["sphere", "grid"])
def test_options_of_the_other_surface_are_refused(surface: str) -> None:
    kind = "generate" if surface == "sphere" else GRID
    values = {**SPHERE_OPTIONS, **GRID_OPTIONS, "map_size": 64}
    names = [name for name, modes in ONLY_OF.items() if kind not in modes and name in values]
    assert len(names) >= 3
    for name in names:
        with pytest.raises(InputError, match=f"^{name}: {kind} has none; leave it out, or use"):
            TextToMesh(prompt="a", mode="generate", surface=surface, **{name: values[name]}).build()


def test_there_is_no_mesh_to_begin_with() -> None:
    with pytest.raises(InputError, match="mesh: generate makes one from words alone; leave it out"):
        TextToMesh(prompt="a pear", mode="generate", mesh="cube").build()
    with pytest.raises(InputError, match="region: generate has no mesh yet to have one"):
        TextToMesh(prompt="a pear", mode="generate", region="box:,50%,,,,").build()
    with pytest.raises(InputError, match="front, anchor: generate has no mesh yet to look at"):
        TextToMesh(prompt="a pear", mode="generate", front="auto").build()
    with pytest.raises(InputError, match="textureless: expected a share in"):
        TextToMesh(prompt="a pear", mode="generate", textureless="0.5 -> 2").build()


def test_both_halves_are_alike_without_being_asked() -> None:
    generator = TextToMesh(prompt="a pear", **SPHERE).build().generator
    assert isinstance(generator, SphereMesh) and generator.growth.symmetric
    with pytest.raises(InputError, match="symmetric: generated meshes are, but with --asymmetric"):
        TextToMesh(prompt="a pear", mode="generate", symmetric=True).build()


def test_what_bare_views_show_is_refused_where_there_are_none() -> None:
    with pytest.raises(InputError, match="bare: is of textureless views, and there are none"):
        TextToMesh(prompt="a pear", bare="normals").build()
    with pytest.raises(InputError, match="bare: is of textureless views, and there are none"):
        TextToMesh(prompt="a pear", mode="generate", bare="normals", textureless=0.0).build()


def test_the_shape_comes_first() -> None:
    from guidance.types import StepContext

    views = TextToMesh(prompt="a pear", mode="generate", device="cpu").build().views
    assert views is not None
    for progress, count in ((0.0, 4), (0.29, 4), (0.31, 1), (1.0, 1)):
        cameras = views(StepContext((0,), 5, progress))
        assert isinstance(cameras, Cameras) and cameras.textureless is not None
        assert cameras.textureless.sum() == count  # of 4
    still = views(StepContext((0,), phase="validation"))
    assert isinstance(still, Cameras) and still.textureless is None


VIDEOS = {"turntable.mp4", "normals.mp4", "contact.png", "progress.mp4"}


def test_a_sphere_leaves_a_mesh_with_its_map(tmp_path: Path) -> None:
    task = TextToMesh(prompt="a pear", **{**SPHERE, "map_size": 64}, judge=False, output=tmp_path)
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
    given = {**CUBES, "formats": "glb,obj,stl"}
    task = TextToMesh(prompt="a pear", **given, judge=False, output=tmp_path)
    (sample,) = task.run().samples
    assert {path.name for path in sample.files} == {"mesh.glb", "mesh.obj", "mesh.stl"} | VIDEOS
    mesh = load_mesh(sample.folder / "mesh.glb").mesh
    assert mesh.colors is not None and mesh.colors.std() > 0
    assert edge_sides(mesh.faces).is_closed()
    assert "mesh.stl: watertight" in capsys.readouterr().err


@pytest.mark.parametrize("small", [SPHERE, CUBES], ids=["sphere", "grid"])
def test_a_run_goes_on_from_a_snapshot_to_the_bit(small: dict[str, Any]) -> None:
    given = {**small, "steps": 5, "samples": 2, "device": "cpu"}
    plan = TextToMesh(prompt="a pear", **given).build()
    snapshots: list[dict[str, torch.Tensor]] = []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({k: v.clone() for k, v in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = TextToMesh(prompt="a pear", **given).build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images) and whole.losses == resumed.losses
