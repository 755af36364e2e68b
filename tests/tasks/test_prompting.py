"""The fields about prompts that all tasks share, from the command line to the loss."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guidance import cli
from guidance.augment import Augment
from guidance.errors import InputError
from guidance.prompts import parse_keyframes, parse_region
from guidance.tasks.base import Task
from guidance.config.commandline import parse
from guidance.config.files import as_yaml, read_config, strip_header, validated
from guidance.tasks.text2image import TextToImage


class Nothing(Task):
    """A task for its common fields alone."""


def phrases(**fields: Any) -> list[str]:
    """The phrases of the loss, sample by sample."""
    return [" + ".join(p.text for p in row) for row in Nothing(**fields).clip(Augment()).phrases]


def test_a_style_is_one_more_phrase_of_every_prompt_but_not_judged() -> None:
    fields = {"prompt": ["a cat | a hat", "a dog"], "style": "a sketch:0.5"}
    assert phrases(**fields) == ["a cat + a hat + a sketch", "a dog + a sketch"]
    assert Nothing(**fields).clip(Augment()).phrases[0][-1].weight(0.3) == 0.5
    assert Nothing(**fields).sample_prompts == ("a cat | a hat", "a dog")


def test_a_style_comes_after_pictures() -> None:
    fields = {"prompt": "a cat", "image_prompt": "a.png", "style": "a sketch"}
    assert phrases(**fields) == ["a cat + image:a.png + a sketch"]


def test_samples_are_called_by_what_they_become() -> None:
    task = Nothing(prompt=["a cat:2 | a hat", "a dog"], at="50% a mouse", samples=2)
    assert task.sample_prompts == ("a mouse:2 | a hat",) * 2 + ("a mouse",) * 2
    assert phrases(prompt="a cat", at="50% a mouse") == ["a cat"]
    assert task.clip(Augment()).keyframes == parse_keyframes(["50% a mouse"])
    assert task.sample_seeds == (0, 1, 0, 1)


def test_regions_and_templates_reach_the_loss(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("{} at night\n")
    loss = Nothing(
        prompt="a cat", region='sky.png="a blue sky"', templates=str(tmp_path / "words.txt")
    ).clip(Augment())
    assert loss.regions == (parse_region('sky.png="a blue sky"'),)
    assert loss.templates == ("{} at night",)
    assert Nothing(prompt="a cat").clip(Augment()).templates is None


WORDS = [
    *("--prompt", "a cat:1 -> 2", "--style", "a sketch:0.5", "--templates", "plain"),
    *("--at", "100% a mouse", "--at", "50% a dog", "--region", 'sky.png="a blue sky"'),
]


def test_flags_and_files_say_the_same(tmp_path: Path) -> None:
    task = parse(TextToImage, "text2image", WORDS).task
    assert task.at == ["100% a mouse", "50% a dog"]
    assert task.region == ['sky.png="a blue sky"'] and task.style == "a sketch:0.5"
    path = tmp_path / "config.yaml"
    path.write_text(as_yaml(task))
    _, values = strip_header(read_config(path), "")
    assert validated(TextToImage, values) == task


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("style", "a | ", "a phrase is empty"),
        ("at", "a dog", "at 'a dog': expected a percentage and words"),
        ("region", "a blue sky", "region 'a blue sky': expected a mask and words"),
    ],
)
def test_bad_values_are_told_before_anything_runs(field: str, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        validated(Nothing, {"prompt": "a cat", field: value})


def test_missing_files_are_told_in_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "mask.png")
    for words, message in (
        (["--templates", "none.txt"], "templates none.txt: no such file"),
        (["--region", "none.png=a star"], "region none.png: no such file"),
        (["--region", f"{tmp_path / 'mask.png'}=a star"], "has 30 x 20 pixels"),
    ):
        output = tmp_path / "outputs"
        small = ["--size", "32", "--steps", "1", "--device", "cpu", "--output", str(output)]
        with pytest.raises(SystemExit) as end:
            cli.main(["run", "text2image", "--prompt", "a cat", *words, *small])
        told = capsys.readouterr()
        assert end.value.code == 2 and told.err.count("\n") == 1 and message in told.err
        assert not output.exists() or not any(output.iterdir())


def test_the_commands_of_the_page_are_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text()
    commands = [line for line in page.splitlines() if line.startswith("guide run text2image ")]
    assert len(commands) == 4
    for command in commands:
        assert parse(TextToImage, "text2image", shlex.split(command)[3:]).task.sample_prompts
