"""The task of images: components, the sizes of files, independent samples, and the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from guidance.config.kinds import IMAGE_GENERATORS, names, options_of
from guidance.diffusion.options import DenoiserOptions
from guidance.errors import InputError
from guidance.loop.optimize import optimize
from guidance.tasks.text2image import TextToImage
from tests.tasks.options import differ, flags, made, trace

SMALL: dict[str, Any] = {"size": 32, "finest": 16, "crops": 2}
#: Generators without a diffusion model; test_distilled.py tests the others.
GENERATORS = [
    name
    for name in names(IMAGE_GENERATORS)
    if not issubclass(options_of(IMAGE_GENERATORS, name), DenoiserOptions)
]
EXPORTED = [
    name for name in GENERATORS if "export_size" in options_of(IMAGE_GENERATORS, name).model_fields
]


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("loss", ["clip", "clip,palette:2,border,symmetry,smoothness,range"])
def test_every_generator_runs(generator: str, loss: str) -> None:
    size = {} if generator == "stylegan" else {"size": 32}
    trace(TextToImage, generator=generator, crops=2, loss=loss, **size)


@pytest.mark.parametrize("name", ["palette", "border", "symmetry", "smoothness", "total_variation"])
def test_weights_change_the_result(name: str) -> None:
    plain = trace(TextToImage, **SMALL, loss=f"clip,{name}")
    assert differ(plain, trace(TextToImage, **SMALL))
    assert not differ(plain, trace(TextToImage, **SMALL, loss=f"clip,{name}:1"))
    assert differ(plain, trace(TextToImage, **SMALL, loss=f"clip,{name}:0 -> 3"))


@pytest.mark.parametrize("generator", EXPORTED)
def test_files_have_the_requested_size(generator: str, tmp_path: Path) -> None:
    small: dict[str, Any] = {"size": 32, "crops": 2, "generator": generator, "device": "cpu"}
    small |= {"cells": 8} if generator == "grid" else {}
    plan = made(TextToImage, prompt="a heart", export_size=72, **small).build()
    assert plan.generator().image.shape[-1] == 32
    plan.generator.export(tmp_path, 0)
    assert Image.open(tmp_path / "image.png").size == (72, 72)
    if generator == "strokes":
        assert 'width="72"' in (tmp_path / "strokes.svg").read_text()


def test_lpips_changes_the_result(images: dict[str, Path], perceptual_networks: None) -> None:
    given = {**SMALL, "loss": "clip,lpips:0.5", "reference": images["PHOTO"]}
    plain = trace(TextToImage, **given)
    assert differ(trace(TextToImage, **SMALL), plain)
    assert differ(plain, trace(TextToImage, **{**given, "loss": "clip,lpips:2 -> 0"}))
    # Without a reference, the image before the first step.
    assert differ(plain, trace(TextToImage, **{**given, "reference": None}))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--backbone vgg", "--backbone belongs to --loss lpips; "),
        ("--border-color red", "--border-color belongs to --loss border; "),
        ("--generator pixels --outline 2", "--outline belongs to --generator cutout; "),
        ("--wavelet haar", "--wavelet belongs to --generator wavelet; "),
    ],
)
def test_options_of_other_components_are_refused(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        flags(TextToImage, "--prompt", "a heart", *words.split())


def test_unknown_options_are_refused_in_python() -> None:
    with pytest.raises(ValueError, match="grid has no such option; its options: total_variation, "):
        TextToImage(prompt="a heart", generator={"kind": "grid", "outline": 2})
    with pytest.raises(ValueError, match="cells"):
        TextToImage(prompt="a heart", cells=8)
    with pytest.raises(ValueError, match="unknown generator 'gird'; did you mean 'grid'"):
        TextToImage(prompt="a heart", generator="gird")


def test_colors_are_counted_or_named() -> None:
    with pytest.raises(InputError, match="colors"):
        made(TextToImage, prompt="a heart", generator="grid", colors=4, palette=["red", "blue"])


def test_the_same_run_gives_the_same_bits() -> None:
    assert not differ(trace(TextToImage, **SMALL), trace(TextToImage, **SMALL))


def test_a_component_is_a_name_a_mapping_or_options() -> None:
    from guidance.generators.image.grid import Grid

    given = ({"kind": "grid", "cells": 16}, Grid.Options(cells=16))
    first, second = (TextToImage(prompt="a heart", generator=value) for value in given)
    assert first == second == made(TextToImage, prompt="a heart", generator="grid", cells=16)
    assert TextToImage(prompt="a heart", generator="grid").generator == Grid.Options()


def test_a_sample_does_not_depend_on_other_samples() -> None:
    small = {**SMALL, "steps": 2, "device": "cpu"}
    pair = made(TextToImage, prompt=["a red heart", "a pizza"], **small).build()
    alone = made(TextToImage, prompt=["a red heart"], **small).build()
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
