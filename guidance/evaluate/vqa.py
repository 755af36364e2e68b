"""Scores by a vision-language model: VQAScore of the prompt, and the answers about its atoms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.encoders.vlm.model import (
    CHATS,
    Answers,
    question_about,
    vqa_score,
)
from guidance.errors import InputError, MissingWeights
from guidance.evaluate.atoms import Atom, find_atoms
from guidance.models.foreign.hub_models import folders, model_type


@dataclass(frozen=True)
class VlmScore:
    """The answers of a vision-language model about one sample, averaged over its views."""

    vqa: float  # the probability of "Yes" for the whole prompt
    atoms: float | None  # the geometric mean of those for its atoms; None if none is known


def vlm_score(vlm: Answers, images: Float[Tensor, "v 3 h w"], prompt: str) -> VlmScore:
    """Asks about each view of a sample: one question, and one for each atom of the prompt.

    Args:
        vlm: see `guidance.encoders.vlm.model.load_vlm`.
        images: sRGB in [0, 1].
        prompt: plain text.
    """
    questions = [question_of(atom, prompt) for atom in find_atoms(prompt)]
    whole = fmean(vqa_score(vlm, image, question_about(prompt)) for image in images)
    if not questions:
        return VlmScore(whole, None)
    return VlmScore(whole, fmean(vqa_score(vlm, image, questions) for image in images))


def question_of(atom: Atom, prompt: str) -> str:
    """The question about one atom: objects alone, anything else as a part of the prompt."""
    if atom.kind == "object":
        return question_about(atom.text)
    return (
        f'Somebody describes this figure as "{prompt}". Is the {atom.kind} "{atom.text}" right? '
        "Please answer yes or no."
    )


def check_independent(name: str, kind: str, configs: Iterable[Mapping[str, Any]]) -> None:
    """Raises InputError if the loss of a run asked the same model, or one of the same kind."""
    for used in dict.fromkeys(each for config in configs for each in _models_in(config)):
        if used == name or _kind(used) == kind:
            raise InputError(
                f"--vlm {name}: a run has the loss vqa with {used}, of the same family; use "
                "another model, or leave out that run"
            )


def _models_in(value: Any) -> Iterator[str]:
    """The values of `vlm` anywhere in a configuration."""
    if isinstance(value, list):
        for item in value:
            yield from _models_in(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "vlm" and isinstance(item, str) and item:
                yield item
            yield from _models_in(item)


def _kind(name: str) -> str | None:
    """The kind of a model in the cache of the hub; a configuration chooses no other folders."""
    if not name.startswith("hf-hub:"):
        return None
    try:
        [(_, folder)] = list(folders(name))
        return model_type(folder, CHATS)
    except (MissingWeights, InputError):
        return None
