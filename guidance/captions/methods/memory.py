"""Retrieves concepts from a memory of texts, filters their attributes by contrast, and fuses them.

Source: MeaCap (arXiv 2403.03715), without training: the memory is searched by the encoder, concepts
are filtered by their similarity to the image, and a caption is made of those that are left.
Deviations: concepts are merged and named by their probability (see `Concepts`), and attributes are
filtered among their alternatives; templates take the place of the language model CBART.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance import options as house
from guidance.captions.captioner import Caption, Captioner
from guidance.captions.memory.attributes import describe
from guidance.captions.memory.concepts import Concepts
from guidance.captions.memory.texts import load_memory
from guidance.captions.scores import TextScores
from guidance.encoders.base import Encoder
from guidance.language.words import A_PORTRAIT, with_article

#: What a caption says of an image whose concepts are all improbable.
NOTHING = "an image of something that is not in the memory"
SHOWN = 5  # concepts that are returned with a caption


class Memory(Captioner):
    """Concepts of retrieved texts, with the attributes that match better than alternatives."""

    class Options(house.Options):
        memory: Path | None = None
        """A text file with a noun phrase per line, e.g. "red apple | fruit"."""

    def __init__(self, encoder: Encoder, concepts: Concepts) -> None:
        self.encoder, self.concepts = encoder, concepts
        self._scores = TextScores(encoder)

    @classmethod
    def load(cls, encoder: Encoder, options: house.Options) -> Memory:
        assert isinstance(options, cls.Options)
        return cls(encoder, Concepts(load_memory(options.memory, encoder), encoder.logit_scale))

    @torch.no_grad()
    def caption(self, vectors: Float[Tensor, "b d"], seed: int = 0) -> list[Caption]:
        """A caption for each unit vector; `seed` changes nothing."""
        probabilities = self.concepts.probabilities(vectors)
        return [self._caption(*pair) for pair in zip(vectors, probabilities, strict=True)]

    def _caption(self, vector: Tensor, probabilities: Tensor) -> Caption:
        before = self._scores.encodes
        score = partial(self._scores, vector)
        noun = self.concepts.name(probabilities)
        order = probabilities.topk(min(SHOWN, len(probabilities))).indices
        concepts = tuple(self.concepts.names[int(i)] for i in order)
        if not noun.text:
            return Caption(NOTHING, float(score([NOTHING])), concepts)
        phrases = describe(noun.text, noun.broader, score, self.encoder.logit_scale)
        if noun.text == self.concepts.names[noun.concept] != A_PORTRAIT:
            phrases += self.concepts.texts(vector, noun.concept, 1)
        texts = [with_article(phrase) for phrase in dict.fromkeys(phrases)]
        cosines = score(texts)
        chosen = int(cosines.argmax())
        return Caption(
            texts[chosen], float(cosines[chosen]), concepts, self._scores.encodes - before
        )
