"""The task of meshes: its options all change something, and its meshes please the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from guidance import cli
from guidance.errors import InputError
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.loop.optimize import StepEvent, optimize
from guidance.meshes import Mesh
from guidance.tasks.mesh.mesh_modes import ONLY_OF
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import OF_DISTILLATION, OF_THE_RUN, differ, trace

SMALL: dict[str, Any] = {
    "mesh": "cube",
    "edge_length": 0.6,
    "views": 2,
    "resolution": 32,
    "crops": 2,
    "steps": 2,
}
OPTIONS: dict[str, Any] = {
    "prompt": "a blue heart",
    "negative": ["a face"],
    "style": "a sketch",
    "at": ["50% a blue heart"],
    "templates": "plain",
    "seed": 7,
    "steps": 3,
    "learning_rate": 0.1,
    "loss": "spherical",
    "contrastive_weight": 0.7,
    "encoder": ["mini", "mini-judge"],
    "optimizer": "sgd",
    "normalize": True,
    "mesh": "cone",
    "paint": "vertices",
    "frequency": 2.0,
    "max_displacement": 0.3,
    "edge_length": 0.05,
    "symmetric": True,
    "ambient": 0.9,
    "views": 3,
    "resolution": 48,
    "crops": 4,
    "view_prompts": True,
    "offset": 0.4,
    "front": 90,
    "anchor": 60,
    "fov_jitter": 20,
    "light_jitter": 1.0,
    "strength_jitter": 0.5,
    "ambient_jitter": 0.3,
    "textureless": 0.5,
    "backgrounds": "none",
    "laplacian": 5.0,
    "normal_consistency": 5.0,
}
#: The options of a texture, from another start than those of the other modes.
SMALL_TEXTURE: dict[str, Any] = {
    "mode": "texture",
    "mesh": "cube",
    "finest": 4,
    "texels": 32,
    "map_size": 32,
    "views": 2,
    "resolution": 32,
    "crops": 2,
    "steps": 2,
}
TEXTURE_OPTIONS: dict[str, Any] = {
    "finest": 8,
    "texels": 64,
    "relief": 0.0,
    "environment": "sunset",
    "symmetric": True,
    "mesh": "cone",
    "view_prompts": True,
    "front": 90,
    "anchor": 60,
    "fov_jitter": 20,
    "light_jitter": 1.0,
    "strength_jitter": 0.5,
    "backgrounds": "none",
}
#: And of a deformation.
SMALL_DEFORM: dict[str, Any] = {**SMALL, "mode": "deform", "edge_length": 0.4}
DEFORM_OPTIONS: dict[str, Any] = {
    "edge_length": 0.05,
    "ambient": 0.2,
    "deform_by": "normals",
    "rigidity": 4.0,
    "normal_consistency": 7.0,
    "symmetric": True,
    "mesh": "cone",
    "seed": 7,
    "view_prompts": True,
    "offset": 0.4,
    "anchor": 60,
    "fov_jitter": 20,
    "strength_jitter": 0.5,
    "ambient_jitter": 0.3,
    "backgrounds": "none",
}
#: Those of meshes from words alone; tests/tasks/test_generate.py walks them.
OF_GENERATE: dict[str, Any] = {
    "surface": "grid",
    "reach": 0.4,
    "cells": 8,
    "eikonal": 2.0,
    "bare": "normals",
    "asymmetric": True,
}
#: These are told by the options of images, or refused, or by tests of their own below.
WALKED_ELSEWHERE = {"mode", "image_prompt", "region", "scene", "map_size", "unwrap", "formats"}


@pytest.fixture(scope="module")
def plain() -> list[Any]:
    return trace(TextToMesh, **SMALL)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_changes_the_result(option: str, plain: list[Any]) -> None:
    assert differ(plain, trace(TextToMesh, **{**SMALL, option: OPTIONS[option]}))


@pytest.fixture(scope="module")
def plain_texture() -> list[Any]:
    return trace(TextToMesh, **SMALL_TEXTURE)


@pytest.mark.parametrize("option", TEXTURE_OPTIONS)
def test_every_option_changes_the_texture(option: str, plain_texture: list[Any]) -> None:
    given = {**SMALL_TEXTURE, option: TEXTURE_OPTIONS[option]}
    assert differ(plain_texture, trace(TextToMesh, **given))


@pytest.fixture(scope="module")
def plain_deform() -> list[Any]:
    return trace(TextToMesh, **SMALL_DEFORM)


@pytest.mark.parametrize("option", DEFORM_OPTIONS)
def test_every_option_changes_the_deformation(option: str, plain_deform: list[Any]) -> None:
    given = {**SMALL_DEFORM, option: DEFORM_OPTIONS[option]}
    assert differ(plain_deform, trace(TextToMesh, **given))


def test_a_deform_run_leaves_a_mesh_and_its_deformation(tmp_path: Path) -> None:
    task = TextToMesh(prompt="a red heart", **SMALL_DEFORM, judge=False, output=tmp_path)
    (sample,) = task.run().samples
    names = {path.name for path in sample.files}
    videos = {"turntable.mp4", "normals.mp4", "contact.png", "progress.mp4"}
    assert names == {"mesh.glb", "mesh.obj", "deformation.npz"} | videos
    kept = Deformation.load(sample.folder / "deformation.npz")
    mesh = load_mesh(sample.folder / "mesh.glb").mesh
    assert torch.allclose(kept.at(1.0).vertices.float(), mesh.vertices)
    assert kept.displacements.abs().max() > 1e-3


def test_parts_of_a_deformed_mesh_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = _tetrahedron()
    two = Mesh(torch.cat([one.vertices, one.vertices + 900]), torch.cat([one.faces, one.faces + 4]))
    given = {**SMALL_DEFORM, "mesh": str(save_mesh(two, tmp_path / "two.obj"))}
    TextToMesh(prompt="a heart", **given, judge=False, output=tmp_path).run()
    assert "two.obj: is in 2 parts, which move along with the nearest" in capsys.readouterr().err


def test_unwrapping_anew_changes_the_maps(tmp_path: Path) -> None:
    square = "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nvt 0 0\nvt 0.5 0\nvt 0.5 1\nvt 0 1\n"
    path = tmp_path / "square.obj"
    path.write_text(square + "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n")
    given = {**SMALL_TEXTURE, "mesh": str(path)}
    assert differ(trace(TextToMesh, **given), trace(TextToMesh, **given, unwrap=True))


def test_a_texture_run_leaves_a_mesh_with_maps(tmp_path: Path) -> None:
    given = {**SMALL_TEXTURE, "map_size": 64}
    task = TextToMesh(prompt="a red heart", **given, judge=False, output=tmp_path)
    (sample,) = task.run().samples
    names = {path.name for path in sample.files}
    maps = {f"mesh_{name}.png" for name in ("base_color", "roughness", "metallic", "normal")}
    videos = {"turntable.mp4", "normals.mp4", "contact.png", "progress.mp4"}
    assert names == {"mesh.glb", "mesh.obj", "mesh.mtl"} | maps | videos
    mesh = load_mesh(sample.folder / "mesh.glb", maps=True).mesh
    assert mesh.material is not None and mesh.material.base_color.shape == (3, 64, 64)
    given_mesh = load_mesh("cube").mesh
    assert torch.equal(mesh.vertices, given_mesh.vertices)
    assert torch.equal(mesh.faces, given_mesh.faces)


#: Everything about the views that varies or is found out before the run.
VARIED: dict[str, Any] = {
    "front": "auto",
    "anchor": "auto",
    "fov_jitter": 10,
    "strength_jitter": 0.3,
    "view_prompts": True,
}
MOVED: dict[str, Any] = {**SMALL, **VARIED, "textureless": 0.5, "ambient_jitter": 0.2}


@pytest.mark.parametrize(
    "small",
    [SMALL_TEXTURE, SMALL_DEFORM, MOVED, {**SMALL_TEXTURE, **VARIED}],
    ids=["texture", "deform", "varied", "varied texture"],
)
def test_a_run_goes_on_from_a_snapshot_to_the_bit(small: dict[str, Any]) -> None:
    plan = TextToMesh(prompt="a red heart", device="cpu", **{**small, "steps": 4}).build()
    snapshots: list[dict[str, torch.Tensor]] = []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({k: v.clone() for k, v in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = TextToMesh(prompt="a red heart", device="cpu", **{**small, "steps": 4}).build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images)


def test_every_field_is_walked() -> None:
    walked = (
        set(OPTIONS) | set(TEXTURE_OPTIONS) | set(DEFORM_OPTIONS) | OF_THE_RUN | WALKED_ELSEWHERE
    )
    assert set(TextToMesh.model_fields) == walked | set(OF_GENERATE) | OF_DISTILLATION


def test_grey_views_of_a_coloured_mesh_change_its_deformation(tmp_path: Path) -> None:
    given = load_mesh("cone").mesh
    red = torch.tensor([1.0, 0, 0]).expand_as(given.vertices)
    path = save_mesh(Mesh(given.vertices, given.faces, red), tmp_path / "red.ply")
    small = {**SMALL_DEFORM, "mesh": str(path)}
    assert differ(trace(TextToMesh, **small), trace(TextToMesh, **small, textureless=0.5))


def test_an_option_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(InputError, match="frequency: is of --paint field; vertices have none"):
        TextToMesh(prompt="a heart", paint="vertices", frequency=1.0).build()
    with pytest.raises(InputError, match="laplacian: without displacements nothing is smoothed"):
        TextToMesh(prompt="a heart", max_displacement=0, laplacian=1.0).build()


@pytest.mark.parametrize(
    ("mode", "option"),
    [
        (mode, name)
        for mode in ("stylize", "texture", "deform")
        for name, modes in ONLY_OF.items()
        if mode not in modes
    ],
)
def test_options_of_other_modes_are_refused(mode: str, option: str) -> None:
    walked = {**OPTIONS, **TEXTURE_OPTIONS, **DEFORM_OPTIONS, **OF_GENERATE}
    value = {**walked, "map_size": 64, "unwrap": True}[option]
    message = f"{option}: {mode} has none; leave it out, or use --mode"
    with pytest.raises(InputError, match=message):
        TextToMesh(prompt="a heart", mode=mode, **{option: value}).build()


def test_nothing_is_no_reason_to_pass_over_an_option() -> None:
    with pytest.raises(InputError, match="max_displacement: texture has none"):
        TextToMesh(prompt="a heart", mode="texture", max_displacement=0).build()


def test_a_region_of_rendered_views_is_refused() -> None:
    with pytest.raises(ValueError, match="a mask and words are for flat images; on a mesh"):
        trace(TextToMesh, **SMALL, region='sky.png="a blue sky"')


def _tetrahedron() -> Mesh:
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return Mesh(1000 * corners + 5000, torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".glb", ".off"])
def test_a_users_mesh_comes_back_in_its_own_units(suffix: str, tmp_path: Path) -> None:
    given = save_mesh(_tetrahedron(), tmp_path / f"given{suffix}")
    task = TextToMesh(
        prompt="a red heart",
        **{**SMALL, "mesh": str(given), "max_displacement": 0.0},
        judge=False,
        output=tmp_path,
    )
    (sample,) = task.run().samples
    names = {path.name for path in sample.files}
    videos = {"turntable.mp4", "normals.mp4", "contact.png", "progress.mp4"}
    assert names == {"mesh.glb", "mesh.obj"} | videos
    for name in ("mesh.glb", "mesh.obj"):
        made = load_mesh(sample.folder / name).mesh
        assert torch.allclose(made.vertices.amin(0), torch.full((3,), 5000.0), atol=0.1)
        assert torch.allclose(made.vertices.amax(0), torch.full((3,), 6000.0), atol=0.1)
        assert made.colors is not None and made.colors.std() > 0


def test_repairs_are_told_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "doubled.obj"
    path.write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\nf 2 3 4\n"
    )
    small = {**SMALL, "mesh": str(path)}
    result = TextToMesh(prompt="a heart", **small, judge=False, output=tmp_path).run()
    assert "removed 1 faces that were there twice" in capsys.readouterr().err
    assert "removed 1 faces that were there twice" in (result.folder / "DONE.json").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        (b"v 0 0 0\nv 1 0 0\n", "no faces"),
        (b"Dear diary, today I saw a cow.\n", "mesh.obj"),
        (b"glTF\x02\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\x7fJSON", "claims"),
        (None, "no such file"),
    ],
    ids=["nan", "empty", "text", "claims gigabytes", "missing"],
)
def test_bad_meshes_exit_2_with_one_line(
    content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "mesh.obj", tmp_path / "outputs"
    if content is not None:
        path.write_bytes(content)
    words = ["run", "text2mesh", "--mesh", str(path), "--prompt", "a cow", "--output", str(output)]
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    told = capsys.readouterr()
    assert end.value.code == 2 and told.out == ""
    assert told.err.count("\n") == 1 and message in told.err
    assert not output.exists() or not any(output.iterdir())


@pytest.mark.slow
def test_the_judge_prefers_the_result(tmp_path: Path) -> None:
    prompts = ["a red apple", "a soccer ball"]
    task = TextToMesh(prompt=prompts, preset="draft", resolution=64, output=tmp_path)
    for sample in task.run().samples:
        assert sample.judge_before and sample.judge_after
        assert sample.judge_after["similarity"] > sample.judge_before["similarity"] + 0.1


def test_deformations_by_normals_have_no_rigidity() -> None:
    given = {**SMALL_DEFORM, "deform_by": "normals", "rigidity": 1.0}
    with pytest.raises(InputError, match="rigidity: deform --deform-by normals has none; leave it"):
        TextToMesh(prompt="a heart", **given).build()
