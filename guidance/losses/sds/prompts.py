"""What a denoiser is asked about each image: texts, and their weights over a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.text.views import VIEW_PROMPTS
from guidance.prompts import ONE, Phrase

#: Views from which an object's front is not to be seen, in the order of VIEW_PROMPTS. Perp-Neg is
#: given "front view" as a negative for them.
NOT_FRONT = (False, True, True, False)


@dataclass(frozen=True)
class PromptBatch:
    """Phrases of `b` images: the rows of their texts, and their weights (0: not asked).

    On the CPU, so that choosing what to ask waits for no device.
    """

    index: Int[Tensor, "b m"]
    weights: Float[Tensor, "b m"]


@dataclass(frozen=True)
class Group:
    """Phrases of `n` samples that belong together, in `r` wordings (1, or by view)."""

    index: Int[Tensor, "n r m"]  # of the texts' rows
    phrases: tuple[tuple[Phrase, ...], ...]  # m for each of n
    in_view: Float[Tensor, "r m"]  # 0 where a phrase does not belong to a view

    def of(
        self, samples: Int[Tensor, "b"], views: Int[Tensor, "b"], progress: float
    ) -> PromptBatch:
        """The phrases of images of these samples, from these views (0 where views are none)."""
        rows = [[phrase.weight(progress) for phrase in row] for row in self.phrases]
        weights = torch.tensor(rows).view(len(rows), self.index.shape[2])
        return PromptBatch(self.index[samples, views], weights[samples] * self.in_view[views])

    def in_all_views(self) -> Group:
        """The same phrases in the same wording for every view."""
        r = len(VIEW_PROMPTS)
        return replace(self, index=self.index.expand(-1, r, -1), in_view=self.in_view.expand(r, -1))


class Texts:
    """All texts that a run prompts about, each once; "" is the first."""

    def __init__(self) -> None:
        self.texts = {"": 0}

    def group(
        self,
        phrases: Sequence[Sequence[Phrase]],
        *,
        by_view: bool = False,
        ending: str = "",
    ) -> Group:
        """Phrases of each sample, with the words of each view behind them and then `ending`.

        Raises:
            InputError: an image or a stop, which denoisers do not have.
        """
        for phrase in (phrase for row in phrases for phrase in row):
            _check(phrase)
        m = max((len(row) for row in phrases), default=0)
        padding = Phrase("", replace(ONE, values=(0.0,)))
        rows = tuple((*row, *[padding] * (m - len(row))) for row in phrases)
        endings = [f", {words}" for words in VIEW_PROMPTS] if by_view else [""]
        index = [[[self._row(p, view, ending) for p in row] for view in endings] for row in rows]
        kept = torch.ones(len(endings), m)
        shape = (len(rows), len(endings), m)
        return Group(torch.tensor(index, dtype=torch.long).view(shape), rows, kept)

    def with_front(self, unwanted: Group, wanted: Sequence[Sequence[Phrase]]) -> Group:
        """Adds to what is not wanted the front of each sample, in the views that hide it."""
        fronts = [replace(row[0], weight=ONE) for row in wanted]
        rows = [self._row(front, f", {VIEW_PROMPTS[0]}", "") for front in fronts]
        column = torch.tensor(rows).view(-1, 1, 1).expand(-1, len(VIEW_PROMPTS), 1)
        hidden = torch.tensor(NOT_FRONT).float().unsqueeze(1)
        given = unwanted.in_all_views()
        return Group(
            torch.cat([given.index, column], 2),
            tuple((*row, front) for row, front in zip(given.phrases, fronts, strict=True)),
            torch.cat([given.in_view, hidden], 1),
        )

    def _row(self, phrase: Phrase, view: str, ending: str) -> int:
        text = phrase.text + view + ending if phrase.text else ""
        return self.texts.setdefault(text, len(self.texts))


def _check(phrase: Phrase) -> None:
    if phrase.image is not None:
        raise InputError(
            f"{phrase.text[:60]!r}: denoisers read words and no images; use the loss Clip for it"
        )
    if phrase.stop > -math.inf:
        raise InputError(
            f"{phrase.text[:60]!r}: a stop ({phrase.stop:g}) belongs to distances, and score "
            "distillation has none; leave it out"
        )
