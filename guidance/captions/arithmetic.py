"""Arithmetic of embeddings: an image plus and minus weighted images and texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.captions.sources import encode_file
from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import embed_phrase, is_sound
from guidance.errors import InputError
from guidance.prompts import Prompt


@dataclass(frozen=True)
class Shift:
    """A vector that is added to the unit vector of each image.

    Source: ZeroCap (arXiv 2111.14447), section 3.3. Every term is a unit vector times its weight.
    """

    vector: Float[Tensor, "d"] | None

    @classmethod
    def of(cls, added: list[str], subtracted: list[str], encoder: Encoder) -> Shift:
        """The sum of weighted texts and images, in the grammar of prompts.

        Args:
            added: such as "a crown", "a crown:0.5" or "image:hat.png".
            subtracted: the same, with the opposite sign.

        Raises:
            InputError: a prompt or an image that cannot be read, or a weight that is a schedule.
        """
        total: Tensor | None = None
        for sign, texts in ((1, added), (-1, subtracted)):
            for text in texts:
                vector = sign * _vector(text, encoder)
                total = vector if total is None else total + vector
        return cls(total)

    def __call__(self, vectors: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Shifted unit vectors.

        Raises:
            InputError: an image and the shift cancel each other.
        """
        if self.vector is None:
            return vectors
        moved = vectors + self.vector
        if float(moved.norm(dim=-1).min()) < 1e-3:
            raise InputError("--sub: takes away all of an image; use a smaller weight")
        return F.normalize(moved, dim=-1)


def _vector(text: str, encoder: Encoder) -> Float[Tensor, "d"]:
    total: Tensor | None = None
    for phrase in Prompt.parse(text).phrases:
        if len(set(phrase.weight.values)) > 1:
            raise InputError(f"{text!r:.60}: a weight that changes needs a run; give one number")
        if is_sound(phrase):
            vector = embed_phrase(encoder, phrase)[0]
        elif phrase.image is not None:
            vector = encode_file(Path(phrase.image), encoder)
        else:
            vector = encoder.encode_text([phrase.text])[0]
        term = phrase.weight(1.0) * vector
        total = term if total is None else total + term
    assert total is not None
    return total
