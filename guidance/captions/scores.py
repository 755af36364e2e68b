"""Cosines of images and texts, where each text is encoded once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder

#: The most texts whose vectors are kept: 256 MB at 512 dimensions.
MOST = 2**17


class TextScores:
    """Vectors of texts by one encoder, and the number of texts that were encoded."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.encodes = encoder, 0
        self._vectors: dict[str, Tensor] = {}

    def vectors(self, texts: list[str]) -> Float[Tensor, "k d"]:
        """Unit vectors; only new texts are encoded, in one call."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            if len(self._vectors) + len(new) > MOST:
                self._vectors.clear()
                new = list(dict.fromkeys(texts))
            self.encodes += len(new)
            self._vectors |= dict(zip(new, self.encoder.encode_text(new), strict=True))
        return torch.stack([self._vectors[text] for text in texts])

    def __call__(self, vector: Float[Tensor, "d"], texts: list[str]) -> Float[Tensor, "k"]:
        """Cosines of one image and texts."""
        return self.vectors(texts) @ vector
