"""Portrait and landscape images of text2image, in every way that options can be given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from guidance.config.kinds import IMAGE_GENERATORS, names
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.tasks.shared.size import ImageSize
from guidance.tasks.text2image import TextToImage
from guidance.views import Windows
from tests.tasks.options import made

SMALL: dict[str, Any] = {"prompt": "a red heart", "crops": 2, "steps": 2, "device": "cpu"}
SIZES = {"48x64": (64, 48), "64x32": (32, 64)}


@pytest.mark.parametrize(
    ("text", "pixels"),
    [
        (512, 512),
        ("512", 512),
        ("512x768", (768, 512)),
        ("512X768", (768, 512)),
        ("512 × 768", (768, 512)),
        ("64x64", 64),
        ("auto", None),
    ],
)
def test_sizes_are_pixels_per_side_or_width_and_height(text: Any, pixels: Any) -> None:
    found = ImageSize.parse(text)
    assert found.pixels == pixels and ImageSize.parse(found.written()) == found


@pytest.mark.parametrize("text", ["", "x", "64x", "64x64x3", "-64", "64.5", "6x64", "64x4096", True])
def test_other_sizes_are_refused_in_one_line(text: Any) -> None:
    with pytest.raises(ValueError, match="size|expected str or int") as told:
        ImageSize.of(text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("size", SIZES)
#: Images of a network have its size.
@pytest.mark.parametrize("generator", sorted({*names(IMAGE_GENERATORS)} - {"stylegan"}))
def test_every_generator_takes_portrait_and_landscape(generator: str, size: str) -> None:
    own = {"cells": 12 if size == "48x64" else 16} if generator == "grid" else {}
    plan = made(TextToImage, **SMALL, generator=generator, size=size, **own).build()
    result = optimize(
        plan.generator, plan.losses, replace(plan.settings, validations=2), views=plan.views
    )
    assert result.images.shape == (1, 1, 3, *SIZES[size])
    assert np.isfinite(result.losses).all()


@pytest.mark.parametrize("generator", ["cutout", "siren", "strokes"])
def test_large_images_keep_their_shape_in_every_view(generator: str) -> None:
    plan = made(TextToImage, **SMALL, generator=generator, size="1024x512").build()
    assert plan.views is not None
    from guidance.types import StepContext

    for progress, count in ((0.0, 1), (0.9, 2)):
        views = plan.views(StepContext((0,), 1, progress))
        assert isinstance(views, Windows)
        assert views.shape == (181, 362) and views.side.shape == (1, count)
    with torch.no_grad():
        assert plan.generator(views).shape == (1, 2, 3, 181, 362)


class Killed(BaseException):
    """Ends a run as a killed process would."""


def kill(event: Event) -> None:
    if isinstance(event, StepEvent) and event.step == 5:
        raise Killed


def test_a_run_with_everything_and_its_resumption(tmp_path: Path) -> None:
    """Regions, motion, symmetry, border, two samples, files, and the same bits after a kill."""
    mask = np.zeros((48, 32), np.uint8)
    mask[:24] = 255
    Image.fromarray(mask).save(tmp_path / "top.png")
    fields: dict[str, Any] = {
        **SMALL,
        **{"generator": "pyramid", "size": "32x48", "steps": 3, "samples": 2, "judge": False},
        **{"loss": "clip,symmetry:0.1,border:0.1,smoothness:0.1", "frames": 3, "rotate": 9},
        **{"steps_per_frame": 2, "region_prompt": f'{tmp_path}/top.png="a blue sky"'},
    }
    folders = []
    for name in ("whole", "killed"):
        task = made(TextToImage, **fields, output=tmp_path / name)
        if name == "killed":
            with pytest.raises(Killed):
                task.run([kill])
            (folder,) = (tmp_path / name / "text2image").iterdir()
            task.run(folder=folder)
        else:
            folder = task.run().folder
        folders.append(folder)
    for sample in ("000", "001"):
        images = [np.asarray(Image.open(f / "samples" / sample / "image.png")) for f in folders]
        assert images[0].shape == (48, 32, 3) and np.array_equal(*images)
        with av.open(str(folders[0] / "samples" / sample / "animation.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.height, stream.width) == (320, 212)
    width, height = Image.open(folders[0] / "contact.png").size
    assert width > height, "two portrait tiles side by side"
    config = yaml.safe_load((folders[0] / "config.yaml").read_text())
    assert config["size"] == "32x48" or config["text2image"]["size"] == "32x48"


def test_a_start_image_is_cut_to_the_shape_of_the_run(tmp_path: Path) -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 30:50] = 255
    Image.fromarray(image).save(tmp_path / "wide.png")
    given = {**SMALL, "generator": "pyramid", "start": tmp_path / "wide.png", "finest": 64}
    with pytest.warns(UserWarning, match="the middle 40 x 40 of 80 x 40 pixels are used"):
        square = made(TextToImage, **given, size=40).build().generator()
    assert square.image[0, 0, 0, 20, 12:28].min() > 0.8 and square.image[0, 0, 0, 20, :8].max() < 0.2
    wide = made(TextToImage, **given, size="80x40").build().generator()
    assert wide.image[0, 0, 0, 20, 32:48].min() > 0.8 and wide.image[0, 0, 0, 20, :28].max() < 0.2
