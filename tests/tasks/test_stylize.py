"""The task of styles: its options all change something, masks are kept, bad images are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from guidance import cli
from guidance.errors import InputError
from guidance.loop.optimize import optimize
from guidance.tasks.stylize import Stylize
from tests.losses.test_pictures import bomb
from tests.tasks.options import OF_DISTILLATION, OF_THE_RUN, differ, trace

OPTIONS: dict[str, Any] = {
    "prompt": "a blue heart",
    "negative": ["a face"],
    "image_prompt": ["PHOTO"],
    "style": "a sketch",
    "at": ["50% a blue heart"],
    "templates": "plain",
    "seed": 7,
    "steps": 3,
    "learning_rate": 0.1,
    "contrastive_weight": 0.7,
    "encoder": ["mini", "mini-judge"],
    "optimizer": "sgd",
    "normalize": True,
    "image": "OTHER",
    "source": "a drawing",
    "mask": "MASK",
    "generator": "pyramid",
    "size": 40,
    "crops": 3,
    "crop_size": 0.5,
    "threshold": 1.02,
    "patch": 0.5,
    "direction": 0.5,
    "content": 2.0,
    "total_variation": 2.0,
}
#: These have one value, are refused, change what is exported alone, or are of clips
#: (test_stylize_clips.py).
WALKED_ELSEWHERE = OF_DISTILLATION | {"loss", "region", "full_size", "frames_per_step"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A photo of 36 x 48, another one, and a mask that is white in the middle."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for name in ("photo", "other"):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize((48, 36), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    mask = np.zeros((36, 48), np.uint8)
    mask[9:27, 12:36] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return {path.stem.upper(): path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(files: dict[str, Path]) -> dict[str, Any]:
    return {"image": files["PHOTO"], "size": 32, "crops": 2, "steps": 2}


@pytest.fixture(scope="module")
def plain(small: dict[str, Any]) -> list[Any]:
    return trace(Stylize, **small)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_changes_the_result(
    option: str, plain: list[Any], small: dict[str, Any], files: dict[str, Path]
) -> None:
    value = OPTIONS[option]
    if isinstance(value, str):
        value = files.get(value, value)
    elif isinstance(value, list):
        value = [files.get(word, word) for word in value]
    assert differ(plain, trace(Stylize, **{**small, option: value}))


def test_every_field_is_walked() -> None:
    assert set(Stylize.model_fields) == set(OPTIONS) | OF_THE_RUN | WALKED_ELSEWHERE


def test_the_same_again_is_the_same_to_the_bit(plain: list[Any], small: dict[str, Any]) -> None:
    assert not differ(plain, trace(Stylize, **small))


def test_options_that_would_be_ignored_are_refused(files: dict[str, Path]) -> None:
    given = {"prompt": "a heart", "image": files["PHOTO"]}
    with pytest.raises(InputError, match="full_size: a pyramid has one size; leave it out"):
        Stylize(**given, generator="pyramid", full_size=True).build()
    with pytest.raises(InputError, match="region: stylize changes one part of an image"):
        Stylize(**given, region=['sky.png="a blue sky"']).build()
    with pytest.raises(ValueError, match="cosine"):
        Stylize(**given, loss="logit")  # type: ignore[arg-type]


@pytest.mark.parametrize("generator", ["unet", "pyramid"])
def test_it_starts_as_the_picture(
    generator: str, small: dict[str, Any], files: dict[str, Path]
) -> None:
    plan = Stylize(prompt="a heart", generator=generator, device="cpu", **small).build()
    shown = plan.generator().image[0, 0]
    assert shown.shape == (3, 24, 32)
    given = Image.open(files["PHOTO"]).resize((32, 24), Image.Resampling.BICUBIC)
    wanted = torch.from_numpy(np.asarray(given).copy()).permute(2, 0, 1) / 255
    assert (shown - wanted).abs().mean() < 0.02


@pytest.mark.parametrize("generator", ["unet", "pyramid"])
def test_outside_the_mask_not_a_bit_changes(
    generator: str, files: dict[str, Path], tmp_path: Path
) -> None:
    """At the image's own size the exported file is the given one there, and so is full.png."""
    task = Stylize(
        prompt="a red heart",
        picture=files["PHOTO"],
        mask=files["MASK"],
        generator=generator,
        full_size=True if generator == "unet" else None,
        size=48,
        crops=2,
        steps=2,
        judge=False,
        device="cpu",
        output=tmp_path,
    )
    (sample,) = task.run().samples
    names = ["image.png", "full.png"] if generator == "unet" else ["image.png"]
    assert [path.name for path in sample.files][:-1] == names
    given = np.asarray(Image.open(files["PHOTO"]).convert("RGB"))
    outside = np.asarray(Image.open(files["MASK"])) == 0
    for name in names:
        made = np.asarray(Image.open(sample.folder / name))
        assert made.shape == given.shape
        assert (made[outside] == given[outside]).all()
        assert (made[~outside] != given[~outside]).any()


def test_the_full_size_is_that_of_the_picture(
    small: dict[str, Any], files: dict[str, Path], tmp_path: Path
) -> None:
    plan = Stylize(prompt="a heart", full_size=True, device="cpu", **small).build()
    plan.generator.export(tmp_path, 0)
    assert Image.open(tmp_path / "image.png").size == (32, 24)
    assert Image.open(tmp_path / "full.png").size == (48, 36)


def test_a_sample_does_not_depend_on_its_neighbours(small: dict[str, Any]) -> None:
    pair = Stylize(prompt=["a red heart", "a pizza"], device="cpu", **small).build()
    alone = Stylize(prompt=["a red heart"], device="cpu", **small).build()
    together = optimize(pair.generator, pair.losses, pair.settings).images[0]
    apart = optimize(alone.generator, alone.losses, alone.settings).images[0]
    assert torch.allclose(together, apart, atol=1e-5)


BAD = {
    "missing": (None, "no such file"),
    "empty": (b"", "not a readable image"),
    "text": (b"Dear diary", "not a readable image"),
    "large": (bomb(9000), "pixels are more than the 67 million that are read"),
    "huge": (bomb(60000), "claims far too many pixels"),
}


@pytest.mark.parametrize("flag", ["--image", "--mask"])
@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_exit_2_with_one_line(
    name: str,
    flag: str,
    files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, message = BAD[name]
    path, output = tmp_path / "bad.jpg", tmp_path / "outputs"
    if content is not None:
        path.write_bytes(content)
    words = ["run", "stylize", "--prompt", "a mosaic", "--output", str(output)]
    words += ["--image", str(files["PHOTO"])] if flag == "--mask" else []
    with pytest.raises(SystemExit) as end:
        cli.main([*words, flag, str(path)])
    told = capsys.readouterr()
    assert end.value.code == 2 and told.out == ""
    assert told.err.count("\n") == 1 and message in told.err and str(path) in told.err
    assert not output.exists()


def test_other_mistakes_are_told(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image; give one: --image photo"):
        Stylize(prompt="a mosaic").build()
    Image.new("RGB", (500, 10)).save(tmp_path / "line.png")
    with pytest.raises(InputError, match="500 x 10 pixels are too oblong for --size 64"):
        Stylize(prompt="a mosaic", picture=tmp_path / "line.png", size=64).build()
    with pytest.raises(InputError, match="expected the image's 48 x 36 pixels, got 500 x 10"):
        Stylize(prompt="a mosaic", picture=files["PHOTO"], mask=tmp_path / "line.png").build()
    with pytest.raises(InputError, match="crop_size: expected a share of the image up to 1"):
        plan = Stylize(
            prompt="a mosaic", picture=files["PHOTO"], size=48, crop_size=37.0, device="cpu"
        ).build()
        optimize(plan.generator, plan.losses, replace(plan.settings, steps=1))


@pytest.mark.slow
def test_the_judge_prefers_the_result(files: dict[str, Path], tmp_path: Path) -> None:
    task = Stylize(
        prompt="a sunflower", picture=files["PHOTO"], preset="draft", size=96, output=tmp_path
    )
    (sample,) = task.run().samples
    assert sample.judge_before and sample.judge_after
    assert sample.judge_after["similarity"] > sample.judge_before["similarity"] + 0.1
