"""Answers of the judge about the atoms of a prompt; see `guidance.evaluate.atoms`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.evaluate.atoms import Atom, find_atoms
from guidance.evaluate.judge import embed_texts


@dataclass(frozen=True)
class Answer:
    """How sure the judge is that an image shows one atom."""

    kind: str
    atom: str
    probability: float
    chance: float  # the probability if the judge could not tell: one of all alternatives


@dataclass(frozen=True)
class Answers:
    """The answers about one image."""

    each: tuple[Answer, ...]

    @property
    def mean(self) -> float:
        """The arithmetic mean of the probabilities: how many of the atoms are right (TIFA_AM)."""
        return sum(answer.probability for answer in self.each) / len(self.each)

    @property
    def geometric(self) -> float:
        """The geometric mean: whether all atoms are right together (TIFA_GM)."""
        logs = [math.log(max(answer.probability, 1e-12)) for answer in self.each]
        return math.exp(sum(logs) / len(logs))


@torch.no_grad()
def answer(judge: Encoder, views: Float[Tensor, "v d"], prompt: str) -> Answers | None:
    """The answers about one sample; None if no atom of the prompt is known.

    Args:
        views: the judge's unit vectors of the images; cosines are averaged over them.
    """
    atoms = find_atoms(prompt)
    if not atoms:
        return None
    return Answers(tuple(_answer(judge, views, prompt, atom) for atom in atoms))


def _answer(judge: Encoder, views: Float[Tensor, "v d"], prompt: str, atom: Atom) -> Answer:
    texts: Sequence[str] = [prompt, *atom.alternatives]
    cosines = (views @ embed_texts(judge, texts).T).mean(0)
    probability = float((judge.logit_scale * cosines).softmax(0)[0])
    return Answer(atom.kind, atom.text, probability, 1 / len(texts))
