"""Texts as weighted bags of stems, synonyms and letters: what the text encoder reads.

It shares nothing with image-text models, so that it cannot agree with a loss that uses one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.motion.words.sentences import action_part
from guidance.motion.words.stems import stems_of
from guidance.motion.words.synonyms import SYNONYMS

#: Weights of a synonym and of three letters against a stem of the text.
SYNONYM, LETTERS = 0.6, 0.25
#: Marks a feature of three letters.
MARK = "~"


def features_of(text: str) -> dict[str, float]:
    """Stems of the action of a text, their synonyms, and the groups of three letters in them."""
    found: dict[str, float] = {}
    for stem in stems_of(" ".join(action_part(text)[0])):
        found[stem] = 1.0
        for other in SYNONYMS.get(stem, frozenset()):
            found.setdefault(other, SYNONYM)
        padded = f"<{stem}>"
        for start in range(len(padded) - 2):
            found.setdefault(MARK + padded[start : start + 3], LETTERS)
    return found


def vocabulary(groups: Iterable[Iterable[str]]) -> dict[str, float]:
    """The features of groups of texts, each with a weight that is higher for rare ones.

    The weight is the logarithm of the number of groups divided by that of those with the feature.
    """
    counts: dict[str, int] = {}
    number = 0
    for texts in groups:
        number += 1
        for feature in sorted({feature for text in texts for feature in features_of(text)}):
            counts[feature] = counts.get(feature, 0) + 1
    return {
        feature: round(max(0.1, math.log(number / (1 + count))), 4)
        for feature, count in counts.items()
    }


class Bags:
    """Texts to vectors over a vocabulary.

    Args:
        weights: of each feature, in the order of the vectors.
    """

    def __init__(self, weights: dict[str, float]) -> None:
        self.weights = weights
        self._places = {feature: place for place, feature in enumerate(weights)}
        self._scale = torch.tensor(list(weights.values()))

    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "b v"]:
        """Vectors of length 1; of a text without a known feature, 0."""
        rows = torch.zeros(len(texts), len(self.weights))
        for row, text in zip(rows, texts, strict=True):
            for feature, value in features_of(text).items():
                if feature in self._places:
                    row[self._places[feature]] = value
        return torch.nn.functional.normalize(rows * self._scale, dim=1)
