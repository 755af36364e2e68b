"""Concepts of retrieved texts, and the noun that names an image without claiming too much."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.captions.memory.texts import Memory
from guidance.language.words import concept, parts

#: The least probability at which a caption names a noun. Chosen by measurement on drawings in a
#: style that the encoder has not seen (`benchmarks.mini_pictures`, kind "style").
CONFIDENCE = 0.55
#: The least probability of the broadest noun; below it, the caption names none.
LEAST = 0.3


@dataclass(frozen=True)
class Noun:
    """A noun that names an image."""

    text: str  # "" if no noun is probable enough
    probability: float
    concept: int  # the most probable concept that it is true of
    broader: tuple[str, ...]  # of that concept


class Concepts:
    """The concepts of a memory.

    Texts that differ only in color, pattern or material are one concept, whose score is that of its
    best text, so that a thing with many texts is not more probable than others. The nouns of a
    concept are its own text, the parts of it, and its broader nouns. Of all nouns with a
    probability above `CONFIDENCE`, the one with the most information names the image (after Deng et
    al., "Hedging your bets", CVPR 2012).

    Args:
        memory: texts and their vectors.
        scale: the encoder's factor on cosines before the softmax.
    """

    def __init__(self, memory: Memory, scale: float) -> None:
        self.memory, self.scale = memory, scale
        keys = [concept(entry.text) for entry in memory.entries]
        self.names = list(dict.fromkeys(keys))
        number = {name: i for i, name in enumerate(self.names)}
        device = memory.vectors.device
        self._of: Int[Tensor, "m"] = torch.tensor([number[key] for key in keys], device=device)
        own = {entry.text: entry.broader for entry in memory.entries}
        for key, entry in zip(keys, memory.entries, strict=True):
            own.setdefault(key, entry.broader)
        self.broader = [own[name] for name in self.names]
        nouns = [[*parts(name), *more] for name, more in zip(self.names, self.broader, strict=True)]
        self.nouns = list(dict.fromkeys(noun for each in nouns for noun in each))
        index = {noun: i for i, noun in enumerate(self.nouns)}
        self._names: Float[Tensor, "c m"] = torch.zeros(len(self.names), len(self.nouns))
        for i, each in enumerate(nouns):
            self._names[i, [index[noun] for noun in each]] = 1
        self._names = self._names.to(device)
        self._information = -(self._names.mean(0)).log()

    def probabilities(self, vectors: Float[Tensor, "b d"]) -> Float[Tensor, "b c"]:
        """The probability of each concept, from the softmax over the best text of each."""
        logits = self.scale * vectors @ self.memory.vectors.T
        best = logits.new_full((len(vectors), len(self.names)), -torch.inf)
        best = best.scatter_reduce(1, self._of.expand_as(logits), logits, "amax")
        return best.softmax(-1)

    def name(self, probabilities: Float[Tensor, "c"]) -> Noun:
        """The noun with the most information among those that are probable enough."""
        each = probabilities @ self._names
        sure = each >= CONFIDENCE
        if bool(sure.any()):
            chosen = int((self._information * sure).argmax())
        else:
            chosen = int((each.square() * self._information).argmax())
        own = int((probabilities * self._names[:, chosen]).argmax())
        probability = float(each[chosen])
        text = self.nouns[chosen] if probability >= LEAST else ""
        return Noun(text, probability, own, self.broader[own])

    def texts(self, vector: Float[Tensor, "d"], chosen: int, count: int) -> list[str]:
        """The texts of one concept that are nearest to an image, at most `count`."""
        own = (self._of == chosen).nonzero()[:, 0]
        order = (self.memory.vectors[own] @ vector).topk(min(count, len(own))).indices
        return [self.memory.entries[int(own[i])].text for i in order]
