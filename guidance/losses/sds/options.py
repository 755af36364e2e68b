"""Options of score distillation, and the weight and crops that a task uses for it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import Field, create_model, field_validator

from guidance.augment import Augment
from guidance.diffusion.options import DISTILLATION_WEIGHT, DenoiserOptions
from guidance.errors import InputError
from guidance.losses.sds.methods import METHODS, Method
from guidance.schedule import Schedule

#: Weight of the methods that edit, relative to total variation.
EDIT_WEIGHT = 1e-3
#: Crops for an encoder per crop for a denoiser, which is evaluated at least twice per crop. A
#: preset then takes about as long with either. Chosen by judgment, without comparison.
CROPS_FOR_ONE = 5
#: With fixed noise, the image must not move relative to the noise: the whole image is used, over
#: white, scaled and shifted by less than one latent, which hides the grid of the autoencoder in
#: even areas (chosen by eye).
STILL = replace(Augment.plain(), whole=0.0, scale=(1.0, 1.06), rotation_deg=0.0, perspective=0.0)


class DistillationOptions(DenoiserOptions):
    """Options of every method of score distillation."""


class GuidedOptions(DistillationOptions):
    """Options of the methods with classifier-free guidance."""

    guidance_scale: Schedule = Schedule.parse(7.5)
    """Classifier-free guidance: 1 is the prompt alone; higher values follow it more closely."""

    @field_validator("guidance_scale")
    @classmethod
    def _check_scale(cls, scale: Schedule) -> Schedule:
        if min(scale.values) < 0:
            raise InputError(
                f"--guidance-scale {scale}: expected at least 0, where 1 is the prompt alone; use "
                "--negative for what to avoid"
            )
        return scale


@cache
def options_for(name: str, component: type) -> type[DistillationOptions]:
    """The options of a method, with its own guidance scale as the default."""
    method = METHODS[name]
    made: type[DistillationOptions]
    if method.guidance_scale is None:
        made = create_model("Options", __base__=DistillationOptions)
    else:
        scale = Field(default=Schedule.parse(method.guidance_scale))
        made = create_model("Options", __base__=GuidedOptions, guidance_scale=(Schedule, scale))
    made.chosen_as, made.component = name, component
    return made


def weight_of(method: Method) -> float:
    """The weight of a method in a task."""
    return EDIT_WEIGHT if method.edits else DISTILLATION_WEIGHT


def augment_for(method: Method, augment: Any) -> Any:
    """How crops for the denoiser are drawn, given how crops for encoders are drawn."""
    if method.edits:
        return augment
    if method.fixed_noise:
        return STILL
    return replace(augment, crops=math.ceil(augment.crops / CROPS_FOR_ONE))
