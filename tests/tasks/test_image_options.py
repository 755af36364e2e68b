"""Every option of the image tasks and of their components changes the result.

The options are those of the classes: one without an effect fails, and so does one of which this
file knows no other value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guidance.config.kinds import (
    EDIT_METHODS,
    IMAGE_GENERATORS,
    LOSSES,
    STYLE_GENERATORS,
    Kind,
    names,
    options_of,
)
from guidance.tasks.edit import Edit
from guidance.tasks.style_edit import StyleEdit
from guidance.tasks.stylize import Stylize
from guidance.tasks.text2image import TextToImage
from tests.media.videos import moving_scene, write_gif
from tests.tasks.options import OF_THE_RUN, differ, made, trace

#: The losses that are not of text2image, which would refuse them: they start from an image.
FROM_AN_IMAGE = {"patches": Stylize, "directional": Stylize, "dds": Edit, "pds": Edit}
#: Options that change files only.
OF_FILES = {"export_size", "full_size"}
#: Options that must not change the result, which test_distilled.py tests; and the segmenter, which
#: changes it only with words for a mask, see tests/segmenters.
WITHOUT_EFFECT = {"compiled", "segmenter"}
#: Losses whose models have no stand-in here; see tests/encoders/test_vlm.py.
ELSEWHERE = {"vqa"}
#: Generators whose images have the size of a network.
OWN_SIZE = ("latent", "noise", "stylegan")
#: Switched on by `frames`; test_animation.py tests its options.
SWITCHES = {"animation"}
#: Options of style_edit that apply only to images of the user.
OF_INVERSION = {"image", "inversion", "inversion_steps", "inversion_noise", "tuning_steps"}

#: Another value of each option, by its name, or by component and name. Upper-case names are files
#: or models of the fixtures.
VALUES: dict[str | tuple[str, str], Any] = {
    "prompt": "a blue heart",
    "negative": ["a face"],
    "style": "a sketch",
    ("text2image", "loss"): "spherical",
    ("stylize", "loss"): "patches,directional:0.06,content:0.5",
    ("edit", "loss"): "pds",
    ("style_edit", "loss"): "spherical",
    ("style_edit", "image"): "PHOTO",
    ("style_edit", "mask"): "MASK OF 32",
    "seed": 7,
    "steps": 3,
    "learning_rate": 0.1,
    "optimizer": "sgd",
    ("edit", "optimizer"): "adam",
    "normalize": True,
    "network": "OTHER NETWORK",
    "backbone": "vgg",
    "truncation": 0.2,
    "latents": "LATENTS",
    "method": {"kind": "latent", "space": "w"},
    "keep": 1.0,
    "inversion": "lpips",
    "inversion_steps": 3,
    "inversion_noise": True,
    "tuning_steps": 2,
    "space": "s",
    "layers": "1-2",
    "latent_distance": 5.0,
    "strength": -2.0,
    "channels": 2,
    "isolation": 5.0,
    "directions": "DIRECTION",
    "unchanged": ["a dog"],
    "opposite": ["a tree"],
    "refine": False,
    "frames": 3,
    "generator": "pyramid",
    "size": 40,
    "crops": 3,
    "image": "OTHER",
    "source": "a drawing",
    "mask": "MASK",
    "total_variation": 2.0,
    "finest": 8,
    "start": "PHOTO",
    "outline": 5.0,
    "cells": 16,
    "colors": 4,
    "palette": ["red", "#1a1c2c"],
    "tileable": True,
    "wavelet": "haar",
    "num_strokes": 7,
    "export_size": 72,
    "full_size": True,
    "frames_per_step": 2,
    "denoiser": "OTHER DENOISER",
    ("latent", "denoiser"): "FLOW",  # the autoencoders of the others are equal
    ("rfds", "denoiser"): "OTHER FLOW",
    "vae": "tiny",
    "sampler_steps": 2,
    "sampler_scale": 2.0,
    "noise_norm": 100.0,
    "guidance_scale": "100 -> 30",
    "encoder": ["mini-judge"],
    "at": ["50% a blue heart"],
    "templates": "plain",
    "similarity": "logit",
    "contrastive_weight": 0.7,
    "region_prompt": "REGION",
    "border_color": "lime",
    "reference": "PHOTO",
    "crop_size": 0.5,
    "threshold": 1.02,
}
#: What an option is tested with, by task, component and option.
WITH: dict[str, dict[str, Any]] = {
    "text2image cutout": {"finest": 16},
    "text2image pyramid": {"finest": 16},
    "text2image grid": {"cells": 8},
    "text2image stylegan": {"network": "NETWORK"},
    "text2image strokes": {"num_strokes": 5},
    "stylize unet frames_per_step": {"image": "VIDEO", "size": 16, "loss": "patches", "crops": 4},
}


@dataclass(frozen=True)
class Case:
    """An option of a task, or of a component that a field of the task chooses."""

    task: type[TextToImage] | type[Stylize] | type[Edit] | type[StyleEdit]
    option: str
    field: str = ""
    component: str = ""

    def __str__(self) -> str:
        where = f"{self.field}={self.component}-" if self.field else ""
        return f"{self.task.task_name()}-{where}{self.option}"

    @property
    def name(self) -> str:
        return self.component or self.task.task_name()

    @property
    def base(self) -> dict[str, Any]:
        """A short run without the option."""
        if self.task is StyleEdit:
            return self._base_of_style_edit
        found: dict[str, Any] = {"steps": 2}
        if self.task is TextToImage:
            found |= {"crops": 2} | ({} if self.component in OWN_SIZE else {"size": 32})
        else:
            found |= {"image": "PHOTO", "size": 32 if self.task is Stylize else 24}
        if self.task is Stylize and self.field != "loss":
            found |= {"crops": 2}
        if self.task is Edit:
            found |= {"source": "a photo", "denoiser": "DENOISER"}
        if self.field == "loss" and self.task is TextToImage:
            found |= {"generator": "pyramid", "finest": 16}
        if self.field:
            fields = options_of(KINDS[self.task, self.field], self.component).model_fields
            found |= {self.field: self.component}
            flow = "FLOW" if self.component == "rfds" else "DENOISER"
            found |= {"denoiser": flow} if "denoiser" in fields else {}
        name = f"{self.task.task_name()} {self.component}"
        return found | WITH.get(name, {}) | WITH.get(f"{name} {self.option}", {})

    @property
    def _base_of_style_edit(self) -> dict[str, Any]:
        method = self.component or "latent"
        found: dict[str, Any] = {"network": "NETWORK", "method": method}
        found |= {"steps": 2} if method == "latent" else {"steps": 300, "frames": 2}
        if self.option in OF_INVERSION:
            found |= {"image": "OTHER", "inversion_steps": 2}
        usual = {"source": {"loss": "directional"}, "keep": {"learning_rate": 0.5, "steps": 4}}
        return found | usual.get(self.option, {})

    @property
    def value(self) -> Any:
        key = (self.name, self.option)
        if key not in VALUES and self.option not in VALUES:
            pytest.fail(f"VALUES: add another value of {self.option}, an option of {self.name}")
        return VALUES[key] if key in VALUES else VALUES[self.option]


KINDS: dict[tuple[type, str], Kind] = {
    (TextToImage, "generator"): IMAGE_GENERATORS,
    (Stylize, "generator"): STYLE_GENERATORS,
    (TextToImage, "loss"): LOSSES,
    (Stylize, "loss"): LOSSES,
    (Edit, "loss"): LOSSES,
    (StyleEdit, "method"): EDIT_METHODS,
}


def cases() -> Iterator[Case]:
    for task in (TextToImage, Stylize, Edit, StyleEdit):
        for option in task.model_fields:
            if option not in OF_THE_RUN | SWITCHES | WITHOUT_EFFECT:
                yield Case(task, option)
    for (task, field), kind in KINDS.items():
        for component in names(kind, flat=True):
            if component in ELSEWHERE:
                continue
            if field == "loss" and FROM_AN_IMAGE.get(component, TextToImage) is not task:
                continue
            for option in options_of(kind, component).model_fields:
                if option not in WITHOUT_EFFECT:
                    yield Case(task, option, field, component)


@pytest.fixture
def files(
    images: dict[str, Path],
    denoisers: dict[str, str],
    networks: dict[str, Path],
    small_dictionaries: None,
    tmp_path: Path,
) -> dict[str, Any]:
    """Files and models by the names that this file gives them."""
    video = write_gif(tmp_path / "video.gif", moving_scene(5))
    return {
        **images,
        **{name: str(path) for name, path in networks.items()},
        "VIDEO": video,
        "REGION": f'{images["SQUARE"]}="a star"',
        "DENOISER": denoisers["one"],
        "OTHER DENOISER": denoisers["other"],
        "FLOW": denoisers["flow"],
        "OTHER FLOW": denoisers["other flow"],
    }


def named(given: dict[str, Any], files: dict[str, Any]) -> dict[str, Any]:
    """The options with the files and models that their names stand for."""
    return {
        key: files.get(value, value) if isinstance(value, str) else value
        for key, value in given.items()
    }


_TRACES: dict[str, list[Any]] = {}


def traced(case: Case, given: dict[str, Any]) -> list[Any]:
    """The trace of a run, made once."""
    key = f"{case.task.task_name()} {given}"
    if key not in _TRACES:
        _TRACES[key] = trace(case.task, **given)
    return _TRACES[key]


def written(case: Case, given: dict[str, Any], folder: Path) -> dict[str, bytes]:
    """The files of a run before its first step."""
    folder.mkdir()
    plan = made(case.task, **{"prompt": "a heart", "device": "cpu", **given}).build()
    return {path.name: path.read_bytes() for path in plan.generator.export(folder, 0)}


@pytest.mark.parametrize("case", cases(), ids=str)
def test_every_option_changes_the_result(
    case: Case,
    files: dict[str, Any],
    tmp_path: Path,
    tiny_autoencoders: None,
    request: pytest.FixtureRequest,
) -> None:
    if "lpips" in (case.component, case.value):
        request.getfixturevalue("perceptual_networks")
    base = named(case.base, files)
    other = named({**case.base, case.option: case.value}, files)
    if case.option in OF_FILES:
        assert written(case, base, tmp_path / "a") != written(case, other, tmp_path / "b")
        return
    assert differ(traced(case, base), trace(case.task, **other))
