"""Scenes of text2mesh: the file, the run, and options that contradict it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance import cli
from guidance.errors import InputError
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.geometry.primitives import octahedron
from guidance.loop.events import StepEvent
from guidance.loop.optimize import optimize
from guidance.rendering.shading import Shading
from guidance.tasks.mesh import scene_file
from guidance.tasks.mesh.scene_file import MOST_PARTS, read_scene
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import differ, made

SMALL: dict[str, Any] = {"edge_length": 0.8, "views": 2, "resolution": 32, "crops": 2, "steps": 2}
YAML = """prompt: a red heart on a box
parts:
  - {mesh: cube, prompt: a brown box}
  - {mesh: small.obj, prompt: a red heart, position: [0, 1.5, 0], scale: 0.5, name: heart}
"""
TOML = """prompt = "a red heart on a box"
[[parts]]
mesh = "cube"
prompt = "a brown box"
[[parts]]
mesh = "small.obj"
prompt = "a red heart"
position = [0, 1.5, 0]
scale = 0.5
name = "heart"
"""


def scene(folder: Path, text: str = YAML, name: str = "scene.yaml") -> Path:
    save_mesh(octahedron(), folder / "small.obj")
    path = folder / name
    path.write_text(text)
    return path


def trace(path: Path, **fields: Any) -> list[Any]:
    """Losses, state and images of two steps."""
    plan = made(TextToMesh, scene=path, device="cpu", **{**SMALL, **fields}).build()
    result = optimize(plan.generator, plan.losses, plan.settings, views=plan.views)
    return [torch.tensor(result.losses), result.generator.state_dict(), result.images]


def test_yaml_and_toml_give_the_same_scene(tmp_path: Path) -> None:
    one = read_scene(scene(tmp_path))
    other = read_scene(scene(tmp_path, TOML, "scene.toml"))
    assert one == other and one.names() == ("cube", "heart")
    assert [part.mesh for part in one.parts] == ["cube", str(tmp_path / "small.obj")]
    assert one.parts[1].position == (0, 1.5, 0) and one.parts[1].scale == 0.5


def test_the_example_in_the_documentation_is_a_scene(tmp_path: Path) -> None:
    assert scene_file.__doc__ is not None
    example = textwrap.dedent(scene_file.__doc__.partition("YAML:\n\n")[2])
    found = read_scene(scene(tmp_path, example))
    assert found.names() == ("body", "hat") and found.parts[1].scale == 0.4


def test_parts_get_unique_names(tmp_path: Path) -> None:
    parts = [
        "mesh: cube",
        "mesh: cube",
        "mesh: sphere, name: cube-2",
        "mesh: a b.obj",
        "mesh: cube",
    ]
    lines = "".join(f"  - {{{part}, prompt: x}}\n" for part in parts)
    found = read_scene(scene(tmp_path, "prompt: x\nparts:\n" + lines)).names()
    assert found == ("cube", "cube-3", "cube-2", "a_b", "cube-4")


@pytest.mark.parametrize("mode", ["stylize", "deform"])
def test_a_run_leaves_the_scene_and_each_part(mode: str, tmp_path: Path) -> None:
    given = {**SMALL, "scene": scene(tmp_path), "mode": mode, "output": tmp_path}
    result = made(TextToMesh, **given).run()
    (sample,) = result.samples
    assert sample.prompt == "a red heart on a box"
    assert sample.judge_after is not None
    names = {path.name for path in sample.files}
    meshes = {f"mesh{part}.{kind}" for part in ("", "_cube", "_heart") for kind in ("glb", "obj")}
    assert meshes <= names and "turntable.mp4" in names and "deformation.npz" not in names
    heart = load_mesh(sample.folder / "mesh_heart.glb").mesh
    assert heart.vertices.abs().max() == pytest.approx(1, abs=0.1)
    metrics = (result.folder / "metrics.jsonl").read_text()
    for name in ("clip of whole", "clip of cube", "clip of heart"):
        assert f'"{name}"' in metrics


@pytest.mark.parametrize(
    "change",
    [
        ("a red heart on", "a green frog on"),
        ("a brown box", "a pizza"),
        ("prompt: a red heart,", "prompt: a banana,"),
        ("mesh: cube", "mesh: cone"),
        ("1.5", "-1.5"),
        ("0.5", "0.9"),
    ],
    ids=lambda change: change[1],
)
def test_every_value_in_the_file_has_an_effect(change: tuple[str, str], tmp_path: Path) -> None:
    plain, other = scene(tmp_path), scene(tmp_path, YAML.replace(*change), "other.yaml")
    assert YAML.count(change[0]) == 1
    assert differ(trace(plain), trace(other))


def test_style_and_negatives_apply_to_all_parts(tmp_path: Path) -> None:
    path = scene(tmp_path)
    plain = made(TextToMesh, scene=path, **SMALL).build()
    styled = made(TextToMesh, scene=path, style="a sketch", negative=["a face"], **SMALL).build()
    for one, other in zip(list(plain.losses)[:3], list(styled.losses)[:3], strict=True):
        plain_texts, styled_texts = (
            [prompt.text for prompt in each.loss.loss.prompts] for each in (one, other)
        )
        assert styled_texts == [f"{text} | a sketch" for text in plain_texts]
        assert other.loss.loss.negatives


def test_parts_and_samples_start_differently(tmp_path: Path) -> None:
    text = YAML.replace("mesh: small.obj", "mesh: cube")
    plan = made(
        TextToMesh, scene=scene(tmp_path, text), samples=2, paint="vertices", **SMALL
    ).build()
    one, other = (part.generator.color.values for part in plan.generator.parts)
    assert [prompt.text for prompt in plan.prompts] == ["a red heart on a box"] * 2
    assert not torch.equal(one[0], one[1]) and not torch.equal(one, other)


def test_a_scene_is_shaded_as_its_mode_says(tmp_path: Path) -> None:
    light = {"ambient": 0.9, "bare": "normals"}
    plan = made(TextToMesh, scene=scene(tmp_path), **SMALL, **light).build()
    assert plan.generator.shading == Shading(ambient=0.9, bare="normals")


def test_a_scene_resumes_bit_identically(tmp_path: Path) -> None:
    given: dict[str, Any] = {**SMALL, "scene": scene(tmp_path), "device": "cpu", "steps": 4}
    plan, snapshots = made(TextToMesh, **given).build(), []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({name: value.clone() for name, value in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = made(TextToMesh, **given).build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images)


def test_a_part_is_moved_by_its_prompt_and_by_that_of_the_whole(tmp_path: Path) -> None:
    plan = made(TextToMesh, scene=scene(tmp_path), device="cpu", **SMALL).build()
    assert plan.views is not None
    context = _context()
    rendering = plan.generator(plan.views(context))

    def moves(loss: Any) -> list[bool]:
        loss.prepare(rendering.detach())
        value: Tensor = loss(rendering, context).sum()
        parts = [next(part.generator.color.parameters()) for part in plan.generator.parts]
        found = torch.autograd.grad(value, parts, retain_graph=True, allow_unused=True)
        return [gradient is not None and bool(gradient.any()) for gradient in found]

    whole, cube, heart = (term.loss for term in list(plan.losses)[:3])
    assert [moves(loss) for loss in (whole, cube, heart)] == [
        [True, True],
        [True, False],
        [False, True],
    ]


def _context() -> Any:
    from guidance.types import StepContext

    return StepContext((0,), step=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt: x\n", "scene.yaml: parts: field required"),
        ("prompt: x\nparts: [{mesh: cube, prompt: y}]\n", "scene.yaml: parts: expected at least 2 values"),
        (YAML.replace("cube", "''"), "scene.yaml: parts 1 mesh: string should have at least 1"),
        (YAML.replace("0.5", "-1"), "scene.yaml: parts 2 scale: expected more than 0"),
        (YAML.replace("1.5", ".nan"), "scene.yaml: parts 2 position 2: expected a finite number"),
        (YAML.replace("1.5", "1e99"), "scene.yaml: parts 2 position 2: expected at most"),
        (YAML.replace("name: heart", "name: a/b"), "scene.yaml: parts 2 name: string should match"),
        (
            YAML.replace("name:", "title:"),
            "parts 2 title: is unknown; known keys are mesh, prompt, name",
        ),
        (YAML.replace("parts:", "things:"), "scene.yaml: "),
        (YAML.replace("a brown box", "'a | '"), "parts 1 prompt: prompt 'a .*a phrase is empty"),
        (YAML.replace("mesh: cube", "mesh: cube, name: heart"), "two parts are named 'heart'"),
        ("prompt: [", "scene.yaml: is not valid YAML"),
        ("prompt: x\nparts: &a [*a]\n", "aliases"),
        (
            "prompt: x\nparts: !!python/object:os.system {}\n",
            "is not valid YAML: values of the type",
        ),
        ("prompt: x\nparts:\n" + "  - {mesh: cube, prompt: y}\n" * (MOST_PARTS + 1), "at most 32"),
    ],
)
def test_malformed_scenes_are_explained_in_one_line(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_scene(scene(tmp_path, text))
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"none.yaml: no such file"):
        read_scene(tmp_path / "none.yaml")
    with pytest.raises(
        InputError, match=r"none.toml: no such file; expected a scene in YAML or TOML"
    ):
        read_scene(tmp_path / "none.toml")
    for content, message in (
        (b"prompt = ", "is not valid TOML: "),
        (b"\xff", "is not valid TOML: "),
        (b"#" * 300_000, "is larger than 256 KB; it is not a scene"),
        (b"a = " + b"[" * 200_000, "is nested too deeply; it is not a scene"),
    ):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_scene(tmp_path / "bad.toml")
    with pytest.raises(InputError, match="is not a plain file but a folder"):
        (tmp_path / "folder.toml").mkdir()
        read_scene(tmp_path / "folder.toml")
    path = scene(tmp_path, YAML.replace("small", "missing"))
    with pytest.raises(SystemExit) as end:
        cli.main(["run", "text2mesh", "--scene", str(path), "--output", str(tmp_path / "o")])
    assert end.value.code == 2 and "missing.obj: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "texture"}, "--scene: --mode texture changes one mesh; use stylize or deform"),
        ({"mode": "generate"}, "--scene: --mode generate changes one mesh; use stylize or deform"),
        ({"prompt": "a cow"}, "--prompt with --scene: the file contains the prompts"),
        ({"mesh": "cube"}, "--mesh with --scene: the file names the meshes"),
        ({"at": ["50% a pear"]}, "--at with --scene: the prompts of a scene do not change"),
        ({"region": ["box:,50%,,,,"]}, "--region with --scene: all of a scene may change"),
        ({"anchor": 30}, "--anchor with --scene: the cameras of a scene go all around"),
        ({"front": "auto"}, "--front auto with --scene: give the front of a scene in degrees"),
        ({"loss": "sds"}, "--loss with --scene: scenes are compared by encoders; use clip"),
        ({"loss": "clip,fsd:0.5"}, "--loss with --scene: scenes are compared by encoders"),
        ({"formats": "glb,doc"}, "formats: unknown format 'doc'; use glb, obj, ply, stl"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_contradict_a_scene_are_refused(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        made(TextToMesh, scene=scene(tmp_path), **fields).build()
