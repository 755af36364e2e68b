"""Configurations from elsewhere choose no places, devices or files of this machine."""

from __future__ import annotations

import io
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from guidance import prompts
from guidance.commands import run as command
from guidance.config.kinds import TASKS, names
from guidance.config.marks import marked_values
from guidance.geometry.primitives import PRIMITIVES
from guidance.media.metadata import embed
from guidance.media.write_video import encode_mp4
from guidance.tasks import text2mesh
from guidance.tasks.base import Task
from tests.runs.damage import DOT, guide, killed_run

PIXELS = np.zeros((4, 4, 3), np.uint8)


def carrier(kind: str, values: dict[str, Any], tmp_path: Path) -> Path:
    """A file of a format, or a config.yaml, that carries a configuration."""
    values = {"schema_version": 3, "task": "text2image", "prompt": ["a"], **values}
    text = json.dumps(marked_values(values))
    path = tmp_path / f"made.{kind}"
    if kind == "png":
        with io.BytesIO() as file:
            Image.fromarray(PIXELS).save(file, "PNG")
            path.write_bytes(embed(file.getvalue(), text))
    elif kind == "mp4":
        path.write_bytes(encode_mp4([PIXELS] * 2, 5, text))
    elif kind == "glb":
        described = b'{"asset":{"version":"2.0"}}  '
        head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(described), len(described), b"JSON")
        path.write_bytes(embed(head + described, text))
    else:
        path.write_text(yaml.safe_dump(values | {"schema_version": 2}))
    return path


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks that commands would run; nothing is run."""
    found: list[Task] = []

    def execute(task: Task, folder: Path | None, **_: object) -> int:
        found.append(task)
        return 0

    monkeypatch.setattr(command, "execute", execute)
    return found


@pytest.mark.parametrize("kind", ["png", "mp4", "glb", "yaml"])
def test_places_are_left_out_with_a_note(
    kind: str, tmp_path: Path, tasks: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    path = carrier(kind, {"output": "/etc/cron.d", "device": "cuda:7", "steps": 7}, tmp_path)
    code, told = guide(capsys, "rerun", path)
    assert code == 0
    assert f"{path}: its output is not used" in told and f"{path}: its device is not used" in told
    assert (tasks[0].output, tasks[0].device, tasks[0].steps) == (Path("outputs"), "auto", 7)
    guide(capsys, "rerun", path, "--output", "mine", "--device", "cpu")
    assert (tasks[1].output, tasks[1].device) == (Path("mine"), "cpu")


FILES = [
    ({"loss": {"kind": "clip", "templates": "/etc/passwd"}}, "--templates /etc/passwd"),
    ({"templates": "/etc/passwd"}, "--templates /etc/passwd"),
    ({"loss": {"kind": "clip", "encoder": "local-dir:/x"}}, "--encoder local-dir:/x"),
    ({"encoder": ["mini", "local-dir:~/x"]}, "--encoder 'local-dir:~/x'"),
    ({"loss": {"kind": "sds", "denoiser": "local-dir:/x"}}, "--denoiser local-dir:/x"),
    ({"prompt": ["a", "b | image:/home/me/id.png:0.5"]}, "--prompt 'b | image:/home/me/id.png:0.5"),
    ({"style": "image:x.png"}, "--style image:x.png"),
    ({"negative": "image:x.png"}, "--negative image:x.png"),
    ({"at": ["50% image:x.png"]}, "--at '50% image:x.png'"),
    ({"region_prompt": ['/x.png="a sky"']}, "--region-prompt '/x.png="),
    ({"generator": {"kind": "pyramid", "start": "/x.png"}}, "--start /x.png"),
    ({"loss": [{"kind": "lpips", "reference": "/x.png"}, "clip"]}, "--reference /x.png"),
    ({"task": "edit", "source": "b", "image": "/x.png"}, "--image /x.png"),
    ({"task": "stylize", "image": "/x.png", "mask": "/m.png"}, "--image /x.png --mask /m.png"),
    ({"task": "text2mesh", "mesh": "/x.obj"}, "--mesh /x.obj"),
    ({"task": "text2mesh", "scene": "/x.yaml"}, "--scene /x.yaml"),
    ({"task": "text2mesh", "region": "/x.png"}, "--region /x.png"),
    ({"schema_version": 1, "image_prompt": ["/x.png"]}, "--style image:/x.png"),
]


@pytest.mark.parametrize("case", FILES, ids=lambda case: case[1])
def test_files_are_refused_before_one_is_opened(
    case: tuple[dict[str, Any], str], tmp_path: Path, tasks: list[Task],
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    values, flag = case
    monkeypatch.setattr(prompts, "read_templates", lambda text: pytest.fail("was opened"))
    code, told = guide(capsys, "rerun", carrier("png", values, tmp_path))
    assert (code, told.count("\n"), tasks) == (2, 1, [])
    assert "cannot choose files; to use it, add " in told and flag in told


def test_values_that_name_no_file_are_used(
    tmp_path: Path, tasks: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    for values in (
        {"templates": "plain", "encoder": "ViT-B-32/openai", "at": "50% a pear", "style": "oil"},
        {"loss": "sds", "denoiser": "hf-hub:org/model", "prompt": "an image: of a cat"},
        {"task": "text2mesh", "mesh": "torus", "region": ["box:,60%,,,,", "words:the head"]},
    ):
        code, told = guide(capsys, "rerun", carrier("png", values, tmp_path))
        assert (code, told) == (0, "")
    assert set(text2mesh.BUILT_IN) == set(PRIMITIVES)


def test_flags_give_the_files(
    tmp_path: Path, tasks: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    path = carrier("glb", {"task": "text2mesh", "mesh": "/theirs.obj", "steps": 9}, tmp_path)
    mesh = tmp_path / "mine.obj"
    mesh.touch()
    assert guide(capsys, "rerun", path, "--mesh", mesh) == (0, "")
    assert (tasks[0].mesh, tasks[0].steps) == (str(mesh), 9)  # type: ignore[attr-defined]
    mine = tmp_path / "mine.txt"
    mine.write_text("a drawing of {}")
    path = carrier("png", {"templates": "/nowhere/at/all"}, tmp_path)
    assert guide(capsys, "rerun", path, "--templates", mine) == (0, "")
    # A configuration that the user wrote, and names with --config, may name files.
    own = tmp_path / "own.yaml"
    own.write_text("mesh: mine.obj\noutput: there\n")
    assert guide(capsys, "run", "text2mesh", "--config", own, "--prompt", "a") == (0, "")
    assert (tasks[-1].output, tasks[-1].mesh) == (Path("there"), "mine.obj")  # type: ignore[attr-defined]


def test_runs_of_ones_own_are_resumed_with_their_files(
    tmp_path: Path, tasks: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy of the folder, as another user would receive it, is not one's own any more."""
    mask = tmp_path / "mask.png"
    Image.fromarray(PIXELS).save(mask)
    folder = killed_run(tmp_path / "mine", style=f"image:{mask}", device="cpu")
    for words in (["run", DOT, "--resume", folder], ["rerun", folder / "config.yaml"]):
        code, told = guide(capsys, *words)
        assert code == 2 if words[0] == "rerun" else (code, told) == (0, "")
        assert words[0] == "run" or "name its file" in told
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    code, told = guide(capsys, "run", DOT, "--resume", copy)
    assert code == 2 and f"to use it, add --style image:{mask}" in told
    code, told = guide(capsys, "run", DOT, "--resume", copy, "--style", f"image:{mask}")
    assert code == 0 and "its device is not used" in told
    assert tasks[-1].style is not None and tasks[-1].device == "auto"
    # Options that name no file stay those of the run.
    code, told = guide(capsys, "run", DOT, "--resume", copy, "--style", "x", "--prompt", "b")
    assert code == 2 and "takes no other options" in told


@pytest.mark.parametrize("where", ["chunk", "extras"])
def test_a_changed_configuration_inside_a_file_is_noticed(
    where: str, tmp_path: Path, tasks: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    path = carrier("glb" if where == "extras" else "png", {"steps": 77}, tmp_path)
    content = path.read_bytes()
    assert content.count(b"77") == 1
    path.write_bytes(content.replace(b"77", b"76"))
    code, told = guide(capsys, "rerun", path)
    assert (code, told.count("\n"), tasks) == (2, 1, []) and "damaged" in told


@pytest.mark.parametrize(
    ("kind", "name"), [("JPEG", "JPEG"), ("GIF", "GIF"), ("WEBP", "WebP"), ("TIFF", "TIFF"),
                       ("BMP", "BMP"), ("AVIF", "AVIF")],
)  # fmt: skip
def test_copies_in_other_formats_carry_no_configuration(
    kind: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "copy"
    Image.fromarray(PIXELS).save(path, kind)
    code, told = guide(capsys, "rerun", path)
    assert code == 2
    assert f"{name} carries no configuration; give the PNG, MP4 or GLB of the run, or its" in told


def test_every_option_with_a_path_is_known_by_its_type() -> None:
    """A new option of the type Path is safe without further work; texts have to be marked."""
    from guidance.config.carried import LOCAL, options_with_files
    from guidance.config.tree import tree_of

    for name in names(TASKS):
        cls = command.find_task(name)
        for key, info in cls.model_fields.items():
            if "Path" in str(info.annotation) and key != "output":
                node = tree_of(cls, {key: "/x"}, {})
                assert key in options_with_files(node), key
            if info.annotation is str and key not in ("device",):
                node = tree_of(cls, {key: f"{LOCAL}/x"}, {})
                assert key in options_with_files(node), key
