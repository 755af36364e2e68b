"""Prompts as rows of an encoded condition, with weights that change during a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.text.arguments import refuse_stops
from guidance.losses.text.embeddings import padded
from guidance.losses.text.views import VIEW_PROMPTS, view_suffixes
from guidance.prompts import ONE, Phrase

#: For each of `VIEW_PROMPTS`, whether the front of the object is hidden. Perp-Neg uses "front view"
#: as a negative in these views.
FRONT_HIDDEN = (False, True, True, False)


@dataclass(frozen=True)
class PromptBatch:
    """The phrases of `b` images: rows of the encoded texts, and weights (0 = not evaluated).

    On the CPU, so that selecting phrases does not synchronize with the device.
    """

    index: Int[Tensor, "b m"]
    weights: Float[Tensor, "b m"]


@dataclass(frozen=True)
class PromptGroup:
    """Phrases of `n` samples that enter the noise prediction with a common factor.

    `r` is 1, or the number of `VIEW_PROMPTS` for view-dependent prompts.
    """

    index: Int[Tensor, "n r m"]  # rows of the encoded texts
    phrases: tuple[tuple[Phrase, ...], ...]  # m for each of n samples
    in_view: Float[Tensor, "r m"]  # 0 where a phrase does not apply to a view

    def batch(
        self, samples: Int[Tensor, "b"], views: Int[Tensor, "b"], progress: float
    ) -> PromptBatch:
        """The phrases of some images, by sample and view (0 without view-dependent prompts)."""
        rows = [[phrase.weight(progress) for phrase in row] for row in self.phrases]
        weights = torch.tensor(rows).view(len(rows), self.index.shape[2])
        return PromptBatch(self.index[samples, views], weights[samples] * self.in_view[views])

    def for_all_views(self) -> PromptGroup:
        """The same phrases, with the same text in every view."""
        r = len(VIEW_PROMPTS)
        return replace(self, index=self.index.expand(-1, r, -1), in_view=self.in_view.expand(r, -1))


class TextTable:
    """The distinct texts of a run. The first is "", the unconditional prompt."""

    def __init__(self) -> None:
        self.texts = {"": 0}

    def group(
        self,
        phrases: Sequence[Sequence[Phrase]],
        *,
        view_prompts: bool = False,
        suffix: str = "",
    ) -> PromptGroup:
        """Adds the phrases of each sample.

        Args:
            phrases: those of each of `n` samples.
            view_prompts: adds each phrase with each of `VIEW_PROMPTS`.
            suffix: appended to each text.
        """
        rows, views = padded(phrases), view_suffixes(view_prompts)
        index = [[[self._row(p, view, suffix) for p in row] for view in views] for row in rows]
        m = len(rows[0]) if rows else 0
        shape = (len(rows), len(views), m)
        return PromptGroup(
            torch.tensor(index, dtype=torch.long).view(shape), rows, torch.ones(len(views), m)
        )

    def with_front_view(
        self, negatives: PromptGroup, prompts: Sequence[Sequence[Phrase]]
    ) -> PromptGroup:
        """Adds the prompt with "front view" as a negative, for views that hide the front."""
        fronts = [replace(row[0], weight=ONE) for row in prompts]
        rows = [self._row(front, f", {VIEW_PROMPTS[0]}", "") for front in fronts]
        column = torch.tensor(rows).view(-1, 1, 1).expand(-1, len(VIEW_PROMPTS), 1)
        hidden = torch.tensor(FRONT_HIDDEN).float().unsqueeze(1)
        group = negatives.for_all_views()
        return PromptGroup(
            torch.cat([group.index, column], 2),
            tuple((*row, front) for row, front in zip(group.phrases, fronts, strict=True)),
            torch.cat([group.in_view, hidden], 1),
        )

    def _row(self, phrase: Phrase, view: str, suffix: str) -> int:
        text = phrase.text + view + suffix if phrase.text else ""
        return self.texts.setdefault(text, len(self.texts))


def check_phrases(phrases: Iterable[Phrase]) -> None:
    """Raises InputError for an image or a stop, which denoisers do not support."""
    for phrase in phrases:
        if phrase.image is not None:
            raise InputError(
                f"{phrase.text[:60]!r}: denoisers do not support image prompts; use the loss Clip "
                "for this phrase"
            )
        refuse_stops([phrase], "score distillation")
