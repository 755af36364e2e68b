"""Beam search over several images at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Beam:
    """One unfinished or finished text of an image."""

    image: int
    tokens: tuple[int, ...]
    total: float = 0.0  # sum of log-probabilities of the new tokens
    length: int = 0  # of the new tokens
    finished: bool = False

    @property
    def score(self) -> float:
        """The mean log-probability of a token."""
        return self.total / max(1, self.length)


@dataclass
class Beams:
    """The best `width` texts of each image.

    Args:
        images: the number of images.
        start: tokens that every text starts with.
        width: beams of an image.
        end: the token that ends a text; it is not added.
        least: tokens that a text has at least before it may end.
    """

    images: int
    start: tuple[int, ...]
    width: int
    end: int
    least: int = 1
    beams: list[Beam] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.beams = [Beam(image, self.start) for image in range(self.images)]

    @property
    def open(self) -> list[Beam]:
        """Beams that are not finished; all of them have the same length."""
        return [beam for beam in self.beams if not beam.finished]

    def advance(self, log_probabilities: Float[Tensor, "n tokens"]) -> None:
        """Extends the open beams by one token, and keeps the best of each image.

        Args:
            log_probabilities: of the next token of each open beam.
        """
        grown = [beam for beam in self.beams if beam.finished]
        values, tokens = log_probabilities.topk(
            min(self.width + 1, log_probabilities.shape[1]), dim=-1
        )
        for beam, row, each in zip(self.open, values.tolist(), tokens.tolist(), strict=True):
            grown += [self._grow(beam, *pair) for pair in zip(each, row, strict=True)]
        kept: list[Beam] = []
        for image in range(self.images):
            own = [b for b in grown if b.image == image and b.total > -torch.inf]
            kept += sorted(own, key=lambda beam: -beam.score)[: self.width]
        self.beams = kept

    def _grow(self, beam: Beam, token: int, value: float) -> Beam:
        total, length = beam.total + value, beam.length + 1
        if token != self.end:
            return Beam(beam.image, (*beam.tokens, token), total, length)
        if beam.length < self.least:
            total = -torch.inf
        return Beam(beam.image, beam.tokens, total, length, True)

    def of(self, image: int) -> list[Beam]:
        """All beams of an image, the most probable first."""
        own = [beam for beam in self.beams if beam.image == image]
        return sorted(own, key=lambda beam: -beam.score)
