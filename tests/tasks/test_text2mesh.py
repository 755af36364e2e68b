"""Meshes from prompts: options of the task, files, units, resuming, and what the judge says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from guidance import cli
from guidance.errors import InputError
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.loop.events import StepEvent
from guidance.loop.optimize import optimize
from guidance.losses.clip import Clip
from guidance.meshes import Mesh
from guidance.options import FlatOnly
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import OF_THE_RUN, differ, made, trace

SMALL: dict[str, Any] = {
    "mesh": "cube",
    "edge_length": 0.6,
    "views": 2,
    "resolution": 32,
    "crops": 2,
    "steps": 2,
}
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
SMALL_DEFORM: dict[str, Any] = {**SMALL, "mode": "deform", "edge_length": 0.4}
#: Another value of each option of the task.
OPTIONS: dict[str, Any] = {
    "prompt": "a blue heart",
    "negative": ["a face"],
    "style": "a sketch",
    "loss": "spherical",
    "seed": 7,
    "steps": 3,
    "learning_rate": 0.1,
    "optimizer": "sgd",
    "normalize": True,
    "mode": "deform_normals",
    "mesh": "cone",
    "crops": 4,
    "backgrounds": "none",
    "view_prompts": True,
}
#: The same of its default loss.
OF_CLIP: dict[str, Any] = {
    "encoder": ["mini", "mini-judge"],
    "at": ["50% a blue heart"],
    "templates": "plain",
    "similarity": "logit",
    "contrastive_weight": 0.7,
}
#: Tests of their own: test_mesh_options, test_mesh_scene, test_mesh_region, test_mesh_exports.
#: `up` is tested below, and `segmenter` in tests/segmenters.
ELSEWHERE = {"cameras", "scene", "region", "formats", "up", "segmenter"}


@pytest.fixture(scope="module")
def plain() -> list[Any]:
    return trace(TextToMesh, **SMALL)


@pytest.mark.parametrize("option", sorted(set(TextToMesh.model_fields) - OF_THE_RUN - ELSEWHERE))
def test_every_option_changes_the_result(option: str, plain: list[Any]) -> None:
    assert option in OPTIONS, f"add a value of --{option}, or say where it is tested"
    assert differ(plain, trace(TextToMesh, **{**SMALL, option: OPTIONS[option]}))


@pytest.mark.parametrize(
    "option",
    [
        name
        for name, info in Clip.Options.model_fields.items()
        if not any(isinstance(item, FlatOnly) for item in info.metadata)
    ],
)
def test_every_option_of_the_loss_changes_the_result(option: str, plain: list[Any]) -> None:
    assert option in OF_CLIP, f"add a value of --{option}"
    assert differ(plain, trace(TextToMesh, **{**SMALL, option: OF_CLIP[option]}))


@pytest.mark.parametrize("small", [SMALL_TEXTURE, SMALL_DEFORM], ids=["texture", "deform"])
@pytest.mark.parametrize("option", ["mesh", "view_prompts", "backgrounds"])
def test_options_of_the_views_change_every_mode(option: str, small: dict[str, Any]) -> None:
    plain = trace(TextToMesh, **small)
    assert differ(plain, trace(TextToMesh, **{**small, option: OPTIONS[option]}))


def test_a_deform_run_leaves_a_mesh_and_its_deformation(tmp_path: Path) -> None:
    task = made(TextToMesh, prompt="a red heart", **SMALL_DEFORM, judge=False, output=tmp_path)
    (sample,) = task.run().samples
    names = {path.name for path in sample.files}
    videos = {"turntable.mp4", "normals.mp4", "contact.png", "progress.mp4"}
    assert names == {"mesh.glb", "mesh.obj", "deformation.npz"} | videos
    kept = Deformation.load(sample.folder / "deformation.npz")
    mesh = load_mesh(sample.folder / "mesh.glb").mesh
    assert torch.allclose(kept.at(1.0).vertices.float(), mesh.vertices)
    assert kept.displacements.abs().max() > 1e-3


def test_separate_parts_of_a_deformed_mesh_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = _tetrahedron()
    two = Mesh(torch.cat([one.vertices, one.vertices + 900]), torch.cat([one.faces, one.faces + 4]))
    given = {**SMALL_DEFORM, "mesh": str(save_mesh(two, tmp_path / "two.obj"))}
    made(TextToMesh, prompt="a heart", **given, judge=False, output=tmp_path).run()
    assert "two.obj: has 2 separate parts; each moves with the nearest" in capsys.readouterr().err


def test_a_texture_run_leaves_a_mesh_with_maps(tmp_path: Path) -> None:
    given = {**SMALL_TEXTURE, "map_size": 64}
    task = made(TextToMesh, prompt="a red heart", **given, judge=False, output=tmp_path)
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
def test_a_run_resumes_bit_identically(small: dict[str, Any]) -> None:
    plan = made(TextToMesh, prompt="a red heart", device="cpu", **{**small, "steps": 4}).build()
    snapshots: list[dict[str, torch.Tensor]] = []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({k: v.clone() for k, v in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = made(TextToMesh, prompt="a red heart", device="cpu", **{**small, "steps": 4}).build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images)


def test_a_region_of_rendered_views_is_refused() -> None:
    with pytest.raises(
        ValueError, match="a mask with a prompt is for text2image; here, a region is"
    ):
        trace(TextToMesh, **SMALL, region='sky.png="a blue sky"')


def _tetrahedron() -> Mesh:
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return Mesh(1000 * corners + 5000, torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".glb", ".off"])
def test_a_users_mesh_comes_back_in_its_own_units(suffix: str, tmp_path: Path) -> None:
    given = save_mesh(_tetrahedron(), tmp_path / f"given{suffix}")
    task = made(
        TextToMesh,
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
        found = load_mesh(sample.folder / name).mesh
        assert torch.allclose(found.vertices.amin(0), torch.full((3,), 5000.0), atol=0.1)
        assert torch.allclose(found.vertices.amax(0), torch.full((3,), 6000.0), atol=0.1)
        assert found.colors is not None and found.colors.std() > 0


def test_repairs_are_reported_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "doubled.obj"
    path.write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\nf 2 3 4\n"
    )
    small = {**SMALL, "mesh": str(path)}
    result = made(TextToMesh, prompt="a heart", **small, judge=False, output=tmp_path).run()
    assert "removed 1 duplicate faces" in capsys.readouterr().err
    assert "removed 1 duplicate faces" in (result.folder / "DONE.json").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
            "1 vertices have NaN or infinite values; export the mesh again",
        ),
        (b"v 0 0 0\nv 1 0 0\n", "no faces"),
        (b"Dear diary, today I saw a cow.\n", "mesh.obj"),
        (
            b"glTF\x02\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\x7fJSON",
            "the header declares 2,147,483,647 bytes, but the file has 20",
        ),
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
    captured = capsys.readouterr()
    assert end.value.code == 2 and captured.out == ""
    assert captured.err.count("\n") == 1 and message in captured.err
    assert not output.exists() or not any(output.iterdir())


@pytest.mark.slow
def test_the_judge_prefers_the_result(tmp_path: Path) -> None:
    prompts = ["a red apple", "a soccer ball"]
    task = made(TextToMesh, prompt=prompts, preset="draft", resolution=64, output=tmp_path)
    for sample in task.run().samples:
        assert sample.judge_before and sample.judge_after
        assert sample.judge_after["similarity"] > sample.judge_before["similarity"] + 0.1


def test_a_mesh_with_z_up_is_turned(tmp_path: Path) -> None:
    tall = tmp_path / "tall.obj"
    tall.write_text("v 0 0 0\nv 1 0 0\nv 0 0.5 0\nv 0 0 4\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n")
    plan = TextToMesh(prompt="a tower", mesh=str(tall), up="z").build()
    found = plan.generator.mesh(0).vertices
    assert (found.amax(0) - found.amin(0)).argmax() == 1
    assert any("rotated from z up to y up" in note for note in plan.notes)
    with pytest.raises(InputError, match="--up: --mode generate creates a mesh"):
        TextToMesh(prompt="a tower", mode="generate", up="z").build()
