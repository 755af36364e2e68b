"""What `--loss` says: which comparisons and which score distillations guide a run, and how much."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from guidance.errors import InputError

if TYPE_CHECKING:
    from guidance.augment import Augment
    from guidance.diffusion import Denoiser
    from guidance.tasks.base import Task
    from guidance.types import Terms

#: How an encoder compares images with words; see `guidance.losses.clip`.
COMPARISONS = ("cosine", "spherical", "logit")
#: Methods of `guidance.losses.sds.methods` that draw; those that edit belong to the task "edit".
DISTILLATIONS = ("sds", "csd", "nfsd", "bridge", "asd", "ism", "sdi", "fsd", "rfds")
#: The denoiser where none is named.
DENOISER = "mini-diffusion"
#: Of a distillation beside the regularizers, whose field has rms 1 and is a mean: by eye, of cutouts
#: by the embedded denoiser. At a third, outlines stay small squares.
WEIGHT = 6.0
#: Crops that an encoder sees for one that a denoiser is asked about, twice or more. By judgement, so
#: that a preset takes about as long with either; other numbers were not compared.
CROPS_FOR_ONE = 5
#: Where noise is kept, the image has to stay beneath it: it is seen whole, over white, shrunk and
#: moved by less than one latent, which keeps the autoencoder's grid out of even areas (by eye).
STILL = (1.0, 1.06)
#: In one word for who does not mind which.
SAME_AS = {"clip": "cosine"}


@dataclass(frozen=True)
class Guides:
    """The weights of what guides a run."""

    comparisons: dict[str, float]
    distillations: dict[str, float]

    @classmethod
    def parse(cls, text: str) -> Guides:
        """Reads "cosine", "sds", or several with weights: "clip,csd:0.5".

        Raises:
            InputError: an unknown name, one given twice, or a weight that is no positive number.
        """
        weights: dict[str, float] = {}
        for part in text.split(","):
            name, colon, given = part.strip().partition(":")
            name = SAME_AS.get(name, name)
            if name in ("dds", "pds"):
                raise InputError(f"loss {name!r} edits an image: guide run edit --loss {name}")
            if name not in COMPARISONS + DISTILLATIONS:
                known = ", ".join((*SAME_AS, *COMPARISONS, *DISTILLATIONS))
                raise InputError(f"loss {name!r} is unknown; use {known}, or some of them")
            if name in weights:
                raise InputError(f"loss: {name} is given twice; give it once, with a weight")
            weights[name] = _weight(name, given) if colon else 1.0
        return cls(
            {name: weight for name, weight in weights.items() if name in COMPARISONS},
            {name: weight for name, weight in weights.items() if name in DISTILLATIONS},
        )


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 < weight < float("inf"):
        raise InputError(f"loss {name}: expected a positive weight such as {name}:0.5, got {text}")
    return weight


def load(task: Task) -> Denoiser:
    """The task's denoiser, on its device.

    Raises:
        InputError, MissingWeights: see `guidance.diffusion.load_denoiser`.
    """
    from guidance.diffusion import load_denoiser

    return load_denoiser(
        task.denoiser or DENOISER,
        task.torch_device(),
        vae=task.vae or "full",
        compiled=task.compiled,
    )


def distillations(task: Task, guides: Guides, augment: Augment, *, view_prompts: bool) -> Terms:
    """The score distillations of a task, each with its weight."""
    from guidance.augment import Augment
    from guidance.losses.distillation import Distillation
    from guidance.losses.sds.methods import METHODS
    from guidance.types import Terms

    losses = Terms()
    if not guides.distillations:
        return losses
    denoiser = load(task)
    crops = replace(augment, crops=math.ceil(augment.crops / CROPS_FOR_ONE))
    still = replace(Augment.plain(), whole=0.0, scale=STILL, rotation_deg=0.0, perspective=0.0)
    for name, weight in guides.distillations.items():
        method = METHODS[name]
        losses = losses + weight * WEIGHT * Distillation(
            task.styled_prompts,
            denoiser=denoiser,
            method=name,
            guidance_scale=task.guidance_scale,
            negative=task.negative,
            view_prompts=view_prompts,
            unit=method.weighting != "sample",
            mean=True,
            augment=still if method.fixed_noise else crops,
        )
    return losses


def was_given(task: Task, name: str) -> bool:
    """Whether an option has another value than nothing; 0 is one."""
    value = getattr(task, name)
    return value is not None and value is not False


def refuse_ignored(task: Task, guides: Guides) -> None:
    """Raises InputError for options that were given and would do nothing."""
    if not guides.distillations:
        of_generator = ("denoiser", "vae", "compiled") if task.drawn_by_denoiser else ()
        for name in ("denoiser", "guidance_scale", "vae", "compiled"):
            if name not in of_generator and was_given(task, name):
                raise InputError(
                    f"{name}: is of score distillation; leave it out, or use --loss fsd"
                )
        return
    method = next(iter(guides.distillations))
    given = {"at": task.at, "region": task.picture_regions, "image_prompt": task.image_prompt}
    for name, value in given.items():
        if value:
            raise InputError(f"{name}: {method} follows plain prompts; leave it out")
    if not guides.comparisons:
        for name in ("encoder", "contrastive_weight", "templates"):
            if getattr(task, name) != type(task).model_fields[name].default:
                raise InputError(
                    f"{name}: is of encoders, and --loss {task.loss} asks none; leave it out, or "
                    f"use --loss clip,{task.loss}"
                )
