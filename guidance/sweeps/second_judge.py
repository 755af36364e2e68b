"""The second judge: reports the scores of results that the first judge has chosen.

A score by which a result was chosen out of many is too high: the judge's errors were chosen too.
The second judge is of a family that neither the losses nor the first judge have.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.diffusion import Denoiser, load_denoiser
from guidance.encoders import Encoder, load_encoder
from guidance.errors import InputError
from guidance.evaluate.families import LossModel
from guidance.evaluate.judge import embed_images, embed_texts
from guidance.models.catalogue import check_is_here, find_model
from guidance.models.entries import DENOISERS
from guidance.models.judges import MINI_FAMILIES, judges_of

#: Embedded models that may report, in order of preference.
EMBEDDED = ("mini-diffusion", "mini-judge", "mini")
#: Times of the noise and draws for each: where prompts differ most for embedded and large models.
TIMES, DRAWS = (0.3, 0.45, 0.6, 0.75), 4


@runtime_checkable
class SecondJudge(Protocol):
    """Scores images for a prompt: higher is better."""

    @property
    def name(self) -> str: ...

    @property
    def measure(self) -> str:
        """What the score is."""

    def score(self, images: Float[Tensor, "v 3 h w"], prompt: str) -> float:
        """The mean over the views of one result."""


def second_judge(used: Collection[str], chosen_by: str, name: str | None) -> SecondJudge | None:
    """The judge that reports, loaded; see `name_of_second`."""
    found = name_of_second(used, chosen_by, name)
    return None if found is None else _load(found)


def name_of_second(used: Collection[str], chosen_by: str, name: str | None) -> str | None:
    """The name of the judge that reports.

    Args:
        used: the families of the models of the losses.
        chosen_by: the name of the first judge.
        name: of the judge that the user wants.

    Returns:
        None if no model on this machine is independent of both.

    Raises:
        InputError: the named model is of a family that was used.
        MissingWeights: its weights are not on this machine.
    """
    first = LossModel.of(chosen_by).family
    taken = {*used, first}
    if name is not None:
        check_is_here(name)
        family = LossModel.of(name).family
        if family in taken:
            role = "chose the results" if family == first else "is one of a loss"
            raise InputError(
                f"report_judge {name}: its family {family!r} {role}; name a model of another family"
            )
        return name
    embedded = [each for each in EMBEDDED if LossModel.of(each).family not in taken]
    here = [model.name for model in judges_of(taken) if model.is_here]
    large = [each for each in here if each not in EMBEDDED]
    order = [*embedded, *large] if set(used) <= MINI_FAMILIES else large
    return order[0] if order else None


def _load(name: str) -> SecondJudge:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    known = find_model(name)
    if known is not None and known in DENOISERS:
        return DenoisingJudge(load_denoiser(name, device, precision="fp32"))
    return SimilarityJudge(load_encoder(name, device, "fp32"))


@dataclass
class SimilarityJudge:
    """The cosine of images and prompt in an image-text model."""

    encoder: Encoder
    measure: str = "cosine of image and prompt"

    @property
    def name(self) -> str:
        return self.encoder.name

    def score(self, images: Float[Tensor, "v 3 h w"], prompt: str) -> float:
        vectors = embed_images(self.encoder, images)
        return float((vectors @ embed_texts(self.encoder, [prompt])[0]).mean())


class DenoisingJudge:
    """How much a prompt helps a denoiser: the relative fall of its squared error.

    The error is that of the noise prediction, with the prompt and without one, at fixed times and
    with fixed noise. 0 means that the prompt says nothing about the image.

    Source: Li et al., "Your Diffusion Model is Secretly a Zero-Shot Classifier" (arXiv 2303.16203),
    with the unconditional error as the reference, in place of the other classes.
    """

    measure = "relative fall of the denoising error by the prompt"

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.name = denoiser, denoiser.name

    @torch.no_grad()
    def score(self, images: Float[Tensor, "v 3 h w"], prompt: str) -> float:
        side = self.denoiser.image_size
        device = next(self.denoiser.parameters()).device
        fitted = F.interpolate(images.to(device), (side, side), mode="bilinear", antialias=True)
        clean = self.denoiser.encode_image(fitted)
        condition = self.denoiser.encode_text([prompt, ""])
        draws = len(TIMES) * DRAWS
        random = torch.Generator().manual_seed(0)
        noise = torch.randn((draws, *clean.shape[1:]), generator=random).to(clean)
        level = self.denoiser.level(torch.tensor(TIMES * DRAWS), noise)
        errors = [0.0, 0.0]
        for one in clean:
            noisy = level.mix(one.expand_as(noise), noise)
            for index in range(2):
                rows = condition.rows(torch.full((draws,), index, device=device))
                found = level.noise(noisy, self.denoiser.predict(noisy, level, rows))
                errors[index] += float((found - noise).square().mean())
        return 1 - errors[0] / errors[1]
