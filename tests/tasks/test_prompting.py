"""Prompts of all tasks and the options of their losses, from the command line to the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guidance import cli
from guidance.augment import Augment
from guidance.config.files import as_mapping, as_yaml, read_config, strip_header, validated
from guidance.errors import InputError
from guidance.losses.clip import Clip
from guidance.prompts import parse_keyframes, parse_region
from guidance.tasks.base import Task
from guidance.tasks.text2image import TextToImage
from tests.tasks.options import flags, made


class Nothing(Task):
    """A task for its common options alone."""


def clip(**flat: Any) -> Clip:
    """The loss of a task."""
    task = made(Nothing, **flat)
    (term,) = task.losses(task.loss_context(Augment()))
    assert isinstance(term.loss, Clip)
    return term.loss


def phrases(**flat: Any) -> list[str]:
    """The phrases of the loss, sample by sample."""
    return [" + ".join(phrase.text for phrase in p.phrases) for p in clip(**flat).prompts]


def texts(task: Task) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in task.sample_prompts)


def test_a_style_is_added_to_every_prompt_but_not_judged() -> None:
    flat = {"prompt": ["a cat | a hat", "a dog"], "style": "a sketch:0.5"}
    assert phrases(**flat) == ["a cat + a hat + a sketch", "a dog + a sketch"]
    assert clip(**flat).prompts[0].phrases[-1].weight(0.3) == 0.5
    assert texts(made(Nothing, **flat)) == ("a cat | a hat", "a dog")


def test_a_style_may_be_an_image_and_may_stand_alone() -> None:
    flat = {"style": "image:a.png | a sketch"}
    assert phrases(prompt="a cat", **flat) == ["a cat + image:a.png + a sketch"]
    assert phrases(**flat) == ["image:a.png + a sketch"]


def test_samples_are_named_after_the_last_keyframe() -> None:
    flat = {"prompt": ["a cat:2 | a hat", "a dog"], "at": "50% a mouse", "samples": 2}
    task = made(Nothing, **flat)
    assert texts(task) == ("a mouse:2 | a hat",) * 2 + ("a mouse",) * 2
    assert phrases(prompt="a cat", at="50% a mouse") == ["a cat"]
    assert clip(**flat).keyframes == parse_keyframes(["50% a mouse"])
    assert task.sample_seeds == (0, 1, 0, 1)


def test_regions_and_templates_reach_the_loss(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("{} at night\n")
    region = 'sky.png="a blue sky"'
    loss = clip(prompt="a cat", region_prompt=region, templates=str(tmp_path / "words.txt"))
    assert loss.regions == (parse_region(region),)
    assert loss.templates == ("{} at night",)
    assert clip(prompt="a cat").templates is None


WORDS = [
    *("--prompt", "a cat:1 -> 2", "--style", "a sketch:0.5", "--templates", "plain"),
    *("--at", "100% a mouse", "--at", "50% a dog", "--region-prompt", 'sky.png="a blue sky"'),
]


def test_flags_and_files_give_the_same_task(tmp_path: Path) -> None:
    task = flags(TextToImage, *WORDS)
    (loss,) = task.loss
    assert isinstance(loss.options, Clip.Options)
    assert loss.options.at == parse_keyframes(["100% a mouse", "50% a dog"])
    assert loss.options.region_prompt == (parse_region('sky.png="a blue sky"'),)
    assert task.style is not None and task.style.text == "a sketch:0.5"
    path = tmp_path / "config.yaml"
    path.write_text(as_yaml(as_mapping(task, "text2image")))
    _, _, values = strip_header(read_config(path), "")
    assert validated(TextToImage, values) == task


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("style", "a | ", "a phrase is empty"),
        ("at", "a dog", "at 'a dog': expected a percentage and a phrase"),
        ("region_prompt", "a blue sky", "region 'a blue sky': expected a mask and a prompt"),
    ],
)
def test_bad_values_are_refused_before_the_run(field: str, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(Nothing, prompt="a cat", **{field: value})


def test_missing_files_are_reported_in_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "mask.png")
    for words, message in (
        (["--templates", "none.txt"], "templates none.txt: no such file"),
        (["--region-prompt", "none.png=a star"], "region none.png: no such file"),
        (["--region-prompt", f"{tmp_path / 'mask.png'}=a star"], "30 x 20 pixels"),
    ):
        output = tmp_path / "outputs"
        small = ["--size", "32", "--steps", "1", "--device", "cpu", "--output", str(output)]
        with pytest.raises(SystemExit) as end:
            cli.main(["run", "text2image", "--prompt", "a cat", *words, *small])
        told = capsys.readouterr()
        assert end.value.code == 2
        line = told.err.removeprefix("loading mini ...\n")
        assert line.count("\n") == 1 and message in line
        assert not output.exists() or not any(output.iterdir())
