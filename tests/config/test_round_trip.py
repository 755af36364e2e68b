"""Tasks and the configurations that runs write: each reads back to an equal task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guidance.commands.run import parse_task
from guidance.config.files import as_mapping, as_yaml, read_config, strip_header, validated
from guidance.config.kinds import (
    CAMERAS,
    IMAGE_GENERATORS,
    LOSSES,
    MESH_MODES,
    STYLE_GENERATORS,
    names,
)
from guidance.tasks.base import Task
from guidance.tasks.edit import Edit
from guidance.tasks.stylize import Stylize
from guidance.tasks.text2image import TextToImage
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import made
from tests.tasks.test_image_options import Case, cases

CHOICES: list[tuple[type[Task], str, str]] = [
    (task, field, name)
    for task, field, kind in (
        (TextToImage, "generator", IMAGE_GENERATORS),
        (Stylize, "generator", STYLE_GENERATORS),
        (TextToMesh, "mode", MESH_MODES),
        (TextToMesh, "cameras", CAMERAS),
        (TextToImage, "loss", LOSSES),
        (TextToMesh, "loss", LOSSES),
    )
    for name in names(kind)
]


def check(task: Task, folder: Path) -> None:
    """The configuration as YAML, as JSON and as Python values gives an equal task."""
    cls, name = type(task), task.task_name()
    mapping = as_mapping(task, name)
    path = folder / "config.yaml"
    path.write_text(as_yaml(mapping))
    for read in (read_config(path), json.loads(json.dumps(mapping))):
        said, version, values = strip_header(read, "here")
        assert (said, version) == (name, 3)
        assert validated(cls, values) == task
    assert parse_task(cls, name, ["--config", str(path)]) == task
    assert cls(**dict(task)) == task
    assert as_mapping(parse_task(cls, name, ["--config", str(path)]), name) == mapping


@pytest.mark.parametrize(("cls", "field", "name"), CHOICES)
def test_every_component(cls: type[Task], field: str, name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"prompt": "a cat", field: name}
    for preset in ("draft", "best"):
        check(cls(**given, preset=preset), tmp_path)
    if field != "loss":
        assert getattr(cls(**given), field).kind() == name
    else:
        assert [each.options.kind() for each in cls(**given).loss] == [name]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_every_option(case: Case, tmp_path: Path) -> None:
    names_of_files = {"REGION": 'mask.png="a star"'}
    given = {**case.base, case.option: case.value, "prompt": ["a cat:1 -> 0.5", "a dog"]}
    given = {
        key: names_of_files.get(value, value) if isinstance(value, str) else value
        for key, value in given.items()
    }
    check(made(case.task, **given), tmp_path)


@pytest.mark.parametrize(
    "flat",
    [
        {"loss": "clip,fsd:0.5,clip:2 -> 1,palette:0.1", "palette": ["red"]},
        {"loss": [{"kind": "clip", "at": "50% a dog"}, {"kind": "clip", "templates": "plain"}]},
        {"encoder": ["mini", "ViT-B-32/openai"], "loss": "logit"},
        {"frames": 9, "zoom": "1 -> 1.1", "pan": "0.01,0 -> 0.02", "rotate": -2},
        {"style": "image:a.png | a sketch:0.5", "negative": "a face"},
        {"learning_rate": "0.02 -> 0.001 log", "outline": "0 -> 1 @ 0.25 -> 1"},
    ],
)
def test_several_options(flat: dict[str, Any], tmp_path: Path) -> None:
    check(made(TextToImage, prompt="a cat", **flat), tmp_path)


def test_edits(tmp_path: Path) -> None:
    loss = [{"kind": "pds", "guidance_scale": 5}, {"kind": "total_variation", "weight": 0.5}]
    check(Edit(prompt="a cat", source="a dog", image="a.png", loss=loss), tmp_path)


def test_the_file_of_a_run(tmp_path: Path) -> None:
    small = {"size": 16, "crops": 1, "steps": 1, "judge": False, "output": tmp_path}
    task = TextToImage(prompt="a heart", generator={"kind": "cutout", "finest": 8}, **small)
    config = task.run().folder / "config.yaml"
    assert parse_task(TextToImage, "text2image", ["--config", str(config)]) == task
