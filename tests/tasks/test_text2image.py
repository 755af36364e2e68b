"""The task of images: its options all change something, and its images please the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from PIL import Image

from guidance.errors import InputError
from guidance.tasks.shared.drawing import ONLY_OF
from guidance.tasks.text2image import TextToImage
from tests.losses.hub import play_hub
from tests.tasks.options import OF_ANIMATIONS, OF_DISTILLATION, OF_THE_RUN, differ, trace

SMALL: dict[str, Any] = {"size": 32, "finest": 16, "crops": 2, "steps": 2}
OPTIONS: dict[str, Any] = {
    "prompt": "a blue heart",
    "negative": ["a face"],
    "image_prompt": "PICTURE",
    "style": "a sketch",
    "at": ["50% a blue heart"],
    "region": "MASK",
    "templates": "plain",
    "seed": 7,
    "steps": 3,
    "learning_rate": 0.1,
    "loss": "spherical",
    "contrastive_weight": 0.7,
    "encoder": ["mini", "mini-judge"],
    "optimizer": "sgd",
    "normalize": True,
    "generator": "pyramid",
    "start": "PICTURE",
    "size": 48,
    "finest": 8,
    "crops": 3,
    "total_variation": 2.0,
    "smoothness": 2.0,
    "symmetry": 2.0,
    "palette": ["red", "#1a1c2c"],
    "edge": "lime",
    "outline": 5.0,
}
#: Options of one generator, each with what it is compared with.
OPTIONS_OF = {
    "wavelet": ("wavelet", "haar"),
    "cells": ("grid", 16),
    "colors": ("grid", 4),
    "tileable": ("grid", True),
    "num_strokes": ("strokes", 7),
}


@pytest.fixture(scope="module")
def plain() -> list[Any]:
    return trace(TextToImage, **SMALL)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_changes_the_result(option: str, plain: list[Any], tmp_path: Path) -> None:
    value = OPTIONS[option]
    if value == "PICTURE":
        Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
        value = tmp_path / "red.png"
    if value == "MASK":
        Image.new("L", (20, 20), "white").save(tmp_path / "mask.png")
        value = f'{tmp_path / "mask.png"}="a star"'
    assert differ(plain, trace(TextToImage, **{**SMALL, option: value}))


@pytest.mark.parametrize("option", OPTIONS_OF)
def test_every_option_of_one_generator_changes_the_result(option: str) -> None:
    generator, value = OPTIONS_OF[option]
    small = {"size": 32, "crops": 2, "generator": generator}
    small |= {"cells": 8} if generator == "grid" else {}
    small |= {"num_strokes": 5} if generator == "strokes" else {}
    assert differ(trace(TextToImage, **small), trace(TextToImage, **{**small, option: value}))


@pytest.mark.parametrize("palette", [[], ["red", "blue"]])
def test_every_generator_runs(palette: list[str]) -> None:
    for generator in get_args(TextToImage.model_fields["generator"].annotation):
        trace(TextToImage, generator=generator, size=32, crops=2, palette=palette)


#: Options that go together with others, each with those and with two values to compare.
WEIGHTS = {
    "palette_weight": ({"palette": ["red"]}, 1.0, "0 -> 3"),
    "edge_weight": ({"edge": "lime"}, 1.0, 3.0),
}


@pytest.mark.parametrize("option", WEIGHTS)
def test_weights_change_the_result(option: str) -> None:
    others, usual, value = WEIGHTS[option]
    plain = trace(TextToImage, **{**SMALL, **others})
    assert not differ(plain, trace(TextToImage, **{**SMALL, **others, option: usual}))
    assert differ(plain, trace(TextToImage, **{**SMALL, **others, option: value}))


@pytest.mark.parametrize("generator", ONLY_OF["export_size"])
def test_files_have_the_size_that_was_asked_for(generator: str, tmp_path: Path) -> None:
    small: dict[str, Any] = {"size": 32, "crops": 2, "generator": generator, "device": "cpu"}
    small |= {"cells": 8} if generator == "grid" else {}
    plan = TextToImage(prompt="a heart", export_size=72, **small).build()
    assert plan.generator().image.shape[-1] == 32
    plan.generator.export(tmp_path, 0)
    assert Image.open(tmp_path / "image.png").size == (72, 72)
    if generator == "strokes":
        assert 'width="72"' in (tmp_path / "strokes.svg").read_text()


OF_NOISE = {"sampler_steps": 4, "sampler_scale": 2.0, "noise_norm": 0.1}
OF_LPIPS = {"reference", "lpips", "lpips_network"}


def test_lpips_and_its_options_change_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lpips", reason="the extra [lpips] is not installed")
    play_hub(monkeypatch, tmp_path / "alex")
    play_hub(monkeypatch, tmp_path / "alex", "vgg")
    for color in ("red", "lime"):
        Image.new("RGB", (20, 12), color).save(tmp_path / f"{color}.png")
    given = {**SMALL, "reference": tmp_path / "red.png", "lpips": 0.5}
    plain = trace(TextToImage, **given)
    assert differ(trace(TextToImage, **SMALL), plain)
    for option, value in (
        ("reference", tmp_path / "lime.png"),
        ("lpips", "2 -> 0"),
        ("lpips_network", "vgg"),
    ):
        assert differ(plain, trace(TextToImage, **{**given, option: value})), option


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lpips": 0.5}, "lpips: goes together with reference; give --reference photo.png"),
        ({"reference": "photo.png"}, "reference: goes together with lpips; give --lpips 0.5"),
        ({"lpips_network": "vgg"}, "lpips_network: there is no --lpips; give --lpips 0.5"),
        ({"palette_weight": 2.0}, "palette_weight: there is no palette; leave it out"),
        (
            {"palette_weight": 2.0, "palette": ["red", "blue"], "generator": "grid"},
            "palette_weight: grid uses no other colours; leave it out",
        ),
        ({"edge_weight": 2.0}, "edge_weight: there is no edge; give --edge white"),
    ],
)
def test_options_that_need_others_are_refused_alone(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextToImage(prompt="a heart", **options).build()


def test_every_field_is_walked() -> None:
    together = {*WEIGHTS, *OF_LPIPS, *OF_ANIMATIONS, *OF_DISTILLATION, *OF_NOISE, "export_size"}
    of_the_run = OF_THE_RUN - OF_DISTILLATION
    assert set(TextToImage.model_fields) - together == set(OPTIONS) | set(OPTIONS_OF) | of_the_run


def test_the_same_again_is_the_same_to_the_bit(plain: list[Any]) -> None:
    assert not differ(plain, trace(TextToImage, **SMALL))


@pytest.mark.parametrize("option", ONLY_OF)
def test_an_option_that_would_be_ignored_is_refused(option: str) -> None:
    values = {**OPTIONS, **{name: value for name, (_, value) in OPTIONS_OF.items()}}
    value = {**values, **OF_NOISE, "export_size": 64}[option]
    with pytest.raises(InputError, match=f"{option}: pixels has none; leave it out, or use"):
        TextToImage(prompt="a heart", generator="pixels", **{option: value}).build()


def test_colours_are_counted_or_named() -> None:
    with pytest.raises(InputError, match="colors: the palette says the colours"):
        TextToImage(prompt="a heart", generator="grid", colors=4, palette=["red", "blue"]).build()


def test_a_sample_does_not_depend_on_its_neighbours() -> None:
    small = {**SMALL, "finest": 16}
    pair = TextToImage(prompt=["a red heart", "a pizza"], device="cpu", **small).build()
    alone = TextToImage(prompt=["a red heart"], device="cpu", **small).build()
    from guidance.loop.optimize import optimize

    together = optimize(pair.generator, pair.losses, pair.settings).images[0]
    apart = optimize(alone.generator, alone.losses, alone.settings).images[0]
    assert torch.allclose(together, apart, atol=1e-5)


@pytest.mark.slow
def test_the_judge_prefers_the_result(tmp_path: Path) -> None:
    task = TextToImage(
        prompt=["a red heart", "a watermelon"], preset="draft", size=64, output=tmp_path
    )
    result = task.run()
    for sample in result.samples:
        assert sample.judge_before and sample.judge_after
        assert sample.judge_after["similarity"] > sample.judge_before["similarity"] + 0.1
        assert sample.judge_after["rank"] == 1
        assert {path.name for path in sample.files} == {"image.png", "cutout.png", "progress.mp4"}
    done = json.loads((result.folder / "DONE.json").read_text())
    assert done["judge"] == "mini-judge"
    assert (result.folder / "contact.png").is_file()
