"""What every task of words and pictures shares: its losses, wired once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guidance.augment import Augment
from guidance.losses.clip import Clip
from guidance.types import Terms


@dataclass(frozen=True)
class Words:
    """How pictures are compared with words, as the fields of a task say it."""

    encoders: Sequence[str]
    loss: Literal["cosine", "spherical", "logit"]
    sharpen: float  # weight of the "logit" loss beside it
    negative: Sequence[str]
    view_words: bool = False

    def terms(self, prompts: Sequence[str], augment: Augment) -> Terms:
        """The losses that read the prompts.

        The loss of one's choice pulls towards the words. `sharpen` adds a softmax of the prompt
        against everyday captions, which tells near things apart: the first says "more like a
        star", the second "more like a star than like anything else yellow".
        """
        clip = Clip(
            prompts,
            encoder=tuple(self.encoders),
            kind=self.loss,
            negative=self.negative,
            augment=augment,
            view_words=self.view_words,
        )
        if not self.sharpen:
            return Terms.of(clip)
        against = Clip(
            prompts,
            encoder=tuple(self.encoders),
            kind="logit",
            negative=self.negative,
            augment=augment,
            view_words=self.view_words,
        )
        return Terms.of(clip) + self.sharpen * against
