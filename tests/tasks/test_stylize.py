"""The task of styles: the start, unchanged pixels, sizes of files, independent samples, errors."""

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
from tests.media.test_read_image import bomb
from tests.tasks.options import differ, flags, made, trace


@pytest.fixture(scope="module")
def small(images: dict[str, Path]) -> dict[str, Any]:
    return {"image": images["PHOTO"], "size": 32, "crops": 2, "steps": 2}


def test_the_same_run_gives_the_same_bits(small: dict[str, Any]) -> None:
    assert not differ(trace(Stylize, **small), trace(Stylize, **small))


@pytest.mark.parametrize("option", ["full_size", "frames_per_step"])
def test_options_of_the_network_are_refused_with_a_pyramid(option: str) -> None:
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(InputError, match=f"^{flag} belongs to --generator unet; "):
        flags(Stylize, "--prompt", "a heart", "--generator", "pyramid", flag, "2")


@pytest.mark.parametrize("option", ["denoiser", "guidance_scale", "vae", "similarity"])
def test_options_of_losses_are_refused_without_them(option: str) -> None:
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(InputError, match=f"^{flag} belongs to --loss "):
        flags(Stylize, "--prompt", "a sketch", "--loss", "patches", flag, "2")


def test_each_weight_changes_the_result(small: dict[str, Any]) -> None:
    weights = {"patches": 1.0, "directional": 0.06, "content": 0.5, "contrastive": 0.2}

    def traced(**changes: float) -> list[Any]:
        losses = ",".join(f"{name}:{value}" for name, value in {**weights, **changes}.items())
        return trace(Stylize, **small, loss=losses)

    plain = traced()
    assert not differ(plain, trace(Stylize, **small))  # these are the defaults
    for name, value in weights.items():
        assert differ(plain, traced(**{name: 2 * value})), name


def test_a_style_is_distilled_from_a_denoiser(
    small: dict[str, Any], denoisers: dict[str, str]
) -> None:
    given = {**small, "loss": "patches,sds:0.1", "denoiser": denoisers["one"]}
    assert differ(trace(Stylize, **small, loss="patches"), trace(Stylize, **given))


@pytest.mark.parametrize("generator", ["unet", "pyramid"])
def test_it_starts_from_the_image(
    generator: str, small: dict[str, Any], images: dict[str, Path]
) -> None:
    plan = made(Stylize, prompt="a heart", generator=generator, device="cpu", **small).build()
    shown = plan.generator().image[0, 0]
    assert shown.shape == (3, 24, 32)
    given = Image.open(images["PHOTO"]).resize((32, 24), Image.Resampling.BICUBIC)
    wanted = torch.from_numpy(np.asarray(given).copy()).permute(2, 0, 1) / 255
    assert (shown - wanted).abs().mean() < 0.02


@pytest.mark.parametrize("generator", ["unet", "pyramid"])
def test_pixels_outside_the_mask_do_not_change(
    generator: str, images: dict[str, Path], tmp_path: Path
) -> None:
    """At the size of the image, image.png and full.png equal it there."""
    task = made(
        Stylize,
        prompt="a red heart",
        image=images["PHOTO"],
        mask=images["MASK"],
        generator=generator,
        **({"full_size": True} if generator == "unet" else {}),
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
    given = np.asarray(Image.open(images["PHOTO"]).convert("RGB"))
    outside = np.asarray(Image.open(images["MASK"])) == 0
    for name in names:
        found = np.asarray(Image.open(sample.folder / name))
        assert found.shape == given.shape
        assert (found[outside] == given[outside]).all()
        assert (found[~outside] != given[~outside]).any()


def test_the_full_size_is_that_of_the_image(
    small: dict[str, Any], images: dict[str, Path], tmp_path: Path
) -> None:
    plan = made(Stylize, prompt="a heart", full_size=True, device="cpu", **small).build()
    plan.generator.export(tmp_path, 0)
    assert Image.open(tmp_path / "image.png").size == (32, 24)
    assert Image.open(tmp_path / "full.png").size == (48, 36)


def test_a_sample_does_not_depend_on_other_samples(small: dict[str, Any]) -> None:
    pair = made(Stylize, prompt=["a red heart", "a pizza"], device="cpu", **small).build()
    alone = made(Stylize, prompt=["a red heart"], device="cpu", **small).build()
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
def test_bad_images_exit_2_with_one_line(
    name: str,
    flag: str,
    images: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, message = BAD[name]
    path, output = tmp_path / "bad.jpg", tmp_path / "outputs"
    if content is not None:
        path.write_bytes(content)
    words = ["run", "stylize", "--prompt", "a mosaic", "--output", str(output)]
    words += ["--image", str(images["PHOTO"])] if flag == "--mask" else []
    with pytest.raises(SystemExit) as end:
        cli.main([*words, flag, str(path)])
    told = capsys.readouterr()
    assert end.value.code == 2 and told.out == ""
    assert told.err.count("\n") == 1 and message in told.err and str(path) in told.err
    assert not output.exists()


def test_other_mistakes_are_reported(images: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image; add --image photo"):
        made(Stylize, prompt="a mosaic").build()
    Image.new("RGB", (500, 10)).save(tmp_path / "line.png")
    with pytest.raises(InputError, match="500 x 10 pixels are too oblong for --size 64"):
        made(Stylize, prompt="a mosaic", image=tmp_path / "line.png", size=64).build()
    with pytest.raises(InputError, match="expected the image's 48 x 36 pixels, got 500 x 10"):
        made(Stylize, prompt="a mosaic", image=images["PHOTO"], mask=tmp_path / "line.png").build()
    with pytest.raises(InputError, match="crop_size: expected a share of the image up to 1"):
        plan = made(
            Stylize, prompt="a mosaic", image=images["PHOTO"], size=48, crop_size=37.0, device="cpu"
        ).build()
        optimize(plan.generator, plan.losses, replace(plan.settings, steps=1))


@pytest.mark.slow
def test_the_judge_prefers_the_result(images: dict[str, Path], tmp_path: Path) -> None:
    task = made(
        Stylize,
        prompt="a sunflower",
        image=images["PHOTO"],
        preset="draft",
        size=96,
        output=tmp_path,
    )
    (sample,) = task.run().samples
    assert sample.judge_before and sample.judge_after
    assert sample.judge_after["similarity"] > sample.judge_before["similarity"] + 0.1
