"""What the images of `text2image` are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from guidance.errors import InputError
from guidance.prompts import parse_prompt
from guidance.tasks.shared.guides import DENOISER, WEIGHT, load

if TYPE_CHECKING:
    from guidance.tasks.text2image import TextToImage
    from guidance.types import Generator

#: Cells a side of the finest level of "cutout" and "pyramid", by eye.
FINEST = 32
#: Pixels a side up to which a step looks at the image as a whole.
IN_ONE = 512
#: Generators that can be asked for any place of their image, so that it is never whole in memory.
OF_PLACES = ("cutout", "pyramid", "siren", "grid", "strokes")
#: Cells a side of the finest level of colour that joins in then. Outlines need none: they are where
#: smooth values cross 0, and crisp at any size once the slope there is steep: this, times the size.
DETAILED, SHARPNESS = 64, 1 / 32
#: Cells a side of "grid" where nothing is said.
CELLS = 32
#: Generators that are of a denoiser.
OF_DENOISERS = ("latent", "noise")
#: How "noise" draws: the steps of the sampler and its guidance scale. Models that are distilled to
#: few steps, whose names tell, want no guidance and take one; by others, six are a draft.
FEW_STEPS = ("turbo", "schnell", "lightning", "lcm", "hyper")
DISTILLED, OTHERS = (1, 1.0), (6, 4.0)
#: Of "noise", by optimizer: ReNO's, and one by eye.
RATES = {"sgd": 5.0, "adam": 0.05}
#: Of "latent" under fsd by SGD: shares of the way to what the denoiser sees in the noise, all steps
#: together; in 150, each goes 2%. DDIM, which that follows, would go 1.6% to 5% a step.
WAY = 3.0
#: Options that only some generators have.
ONLY_OF = {
    "finest": ("cutout", "pyramid"),
    "start": ("cutout", "pyramid", "latent"),
    "outline": ("cutout",),
    "wavelet": ("wavelet",),
    "cells": ("grid",),
    "colors": ("grid",),
    "tileable": ("grid",),
    "num_strokes": ("strokes",),
    "sampler_steps": ("noise",),
    "sampler_scale": ("noise",),
    "noise_norm": ("noise",),
    "export_size": ("strokes", "siren", "grid"),
}


def is_large(task: TextToImage) -> bool:
    """Whether the image is looked at in parts."""
    return task.side > IN_ONE and task.generator in OF_PLACES


def make_generator(task: TextToImage) -> Generator:
    """What the task's options describe."""
    from guidance.media.load import load_image

    options: dict[str, Any] = {}
    if task.start is not None:
        options["start"] = load_image(task.start, "start")
    if task.generator in OF_DENOISERS:
        return _of_denoiser(task, options)
    return _of_pixels(task, options)


def _of_pixels(task: TextToImage, options: dict[str, Any]) -> Generator:
    from guidance.generators.image.cutout import Cutout
    from guidance.generators.image.fourier import Fourier
    from guidance.generators.image.grid import Grid
    from guidance.generators.image.param.windows import DETAIL
    from guidance.generators.image.pixels import Pixels
    from guidance.generators.image.pyramid import Pyramid
    from guidance.generators.image.siren import Siren
    from guidance.generators.image.strokes import Strokes
    from guidance.generators.image.wavelet import Wavelet

    kinds: dict[str, Any] = {
        "cutout": Cutout,
        "pyramid": Pyramid,
        "wavelet": Wavelet,
        "fourier": Fourier,
        "siren": Siren,
        "grid": Grid,
        "strokes": Strokes,
        "pixels": Pixels,
    }
    own = ("finest", "wavelet", "cells", "tileable", "num_strokes", "export_size")
    if task.finest is None and task.generator in ONLY_OF["finest"]:
        options["finest"] = FINEST
        if is_large(task):
            options |= {"finest": DETAILED, "coarse": FINEST}
    if task.generator == "cutout" and is_large(task):
        options["sharpness"] = f"4 -> 4 @ {DETAIL} -> {SHARPNESS * task.side} log"
    options |= {name: getattr(task, name) for name in own if getattr(task, name) is not None}
    if task.generator == "grid" and (task.palette or task.colors):
        options["palette"] = tuple(task.palette) or task.colors
    made: Generator = kinds[task.generator](task.sample_seeds, task.side, **options)
    return made


def _words(prompt: str) -> str:
    """What a sampler is told: the phrases that are wanted, whatever their weights."""
    phrases = [p for p in parse_prompt(prompt) if p.image is None and p.weight(0.0) > 0]
    if not phrases:
        raise InputError(f"{prompt!r}: noise draws by words, and there are none; give some")
    return ", ".join(phrase.text for phrase in phrases)


def _of_denoiser(task: TextToImage, options: dict[str, Any]) -> Generator:
    from guidance.generators.image.latent import Latent
    from guidance.generators.image.noise import Noise

    name, denoiser = task.denoiser or DENOISER, load(task)
    if task.generator == "latent":
        if task.draws_as_ddim and (task.optimizer or task.usual_optimizer) == "sgd":
            side = task.size or denoiser.image_size
            values = math.prod(denoiser.latent_shape(side, side))
            # Nesterov's momentum of 0.9 makes ten of each step.
            options["learning_rate"] = WAY / task.steps * values / WEIGHT / 10
        return Latent(task.sample_seeds, task.size, denoiser=denoiser, **options)
    steps, scale = DISTILLED if any(word in name.lower() for word in FEW_STEPS) else OTHERS
    return Noise(
        task.sample_seeds,
        [_words(prompt) for prompt in task.styled_prompts],
        task.size,
        denoiser=denoiser,
        sampler_steps=task.sampler_steps or steps,
        guidance_scale=scale if task.sampler_scale is None else task.sampler_scale,
        learning_rate=RATES[task.optimizer or task.usual_optimizer],
    )
