"""Prompts as queries: the vector whose inner product with an image is minus its loss.

`Clip` with kind "cosine" and one crop per image has the loss `sum w (1 - a.b)` over phrases b with
weights w. The score of an image a is `sum w a.b = q.a` with the query `q = sum w b`: a constant
minus the loss, so the best hit is the image with the smallest loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.losses.text.arguments import (
    PromptArgument,
    RegionArgument,
    as_regions,
    negative_phrases,
)
from guidance.prompts import Phrase, Prompt, Region


@dataclass(frozen=True)
class Query:
    """A prompt, what it is not, and regional prompts."""

    prompt: Prompt
    negatives: tuple[Phrase, ...] = ()
    regions: tuple[Region, ...] = ()
    templates: tuple[str, ...] | None = None  # by default those of the encoder

    @classmethod
    def of(
        cls,
        prompt: str | Prompt,
        negative: PromptArgument = (),
        region: RegionArgument = (),
        templates: Sequence[str] | None = None,
    ) -> Query:
        """Parses the parts of a query.

        Raises:
            InputError: a part that cannot be parsed, or that changes with time.
        """
        wordings = None if templates is None else tuple(templates)
        query = cls(Prompt.of(prompt), negative_phrases(negative), as_regions(region), wordings)
        phrases = [*query.prompt.phrases, *query.negatives]
        for phrase in (*phrases, *(each for part in query.regions for each in part.phrases)):
            refuse_schedules(phrase)
        return query

    @property
    def text(self) -> str:
        """The query as one line."""
        negatives = [f"not {phrase.text}" for phrase in self.negatives]
        return ", ".join([self.prompt.text, *negatives, *(part.text for part in self.regions)])


def refuse_schedules(phrase: Phrase) -> None:
    """Raises InputError for a weight that changes, and for a stop: a search has no steps."""
    if len(phrase.weight.values) > 1:
        raise InputError(
            f"{phrase.text!r:.60}: its weight changes during a run, but a search has no steps; "
            "give one number"
        )
    if phrase.stop != float("-inf"):
        raise InputError(
            f"{phrase.text!r:.60}: a stop ({phrase.stop:g}) applies to the gradient of a run, but "
            "a search has none; remove it"
        )
