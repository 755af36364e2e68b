"""Prompts, negatives, keyframes and regions as losses take them: as text or already parsed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from guidance.errors import InputError
from guidance.parsed import Parsed
from guidance.prompts import Keyframe, Phrase, Prompt, Region, parse_keyframes

#: The factor on the weights of negative prompts, relative to those of the prompt.
#: Source: Direct Ascent Synthesis (Fort 2025) weighs its negatives by 0.3.
NEGATIVE_WEIGHT = 0.3

PromptArgument = str | Prompt | Sequence[str | Prompt]
KeyframeArgument = str | Keyframe | Sequence[str | Keyframe]
RegionArgument = str | Region | Sequence[str | Region]
T = TypeVar("T", bound=Parsed)


def as_prompts(prompt: PromptArgument) -> tuple[Prompt, ...]:
    """One prompt, or a sequence of prompts, parsed.

    Raises:
        InputError: a prompt that cannot be parsed.
    """
    return tuple(Prompt.of(one) for one in _sequence(prompt))


def as_keyframes(at: KeyframeArgument) -> tuple[Keyframe, ...]:
    """Keyframes, parsed and sorted by progress.

    Raises:
        InputError: a keyframe that cannot be parsed, or two at the same progress.
    """
    return parse_keyframes(_sequence(at))


def as_regions(region: RegionArgument) -> tuple[Region, ...]:
    """Regional prompts, parsed.

    Raises:
        InputError: a region that cannot be parsed.
    """
    return tuple(Region.of(one) for one in _sequence(region))


def _sequence(argument: str | T | Sequence[str | T]) -> tuple[str | T, ...]:
    return (argument,) if isinstance(argument, str | Parsed) else tuple(argument)


def broadcast_prompts(prompts: Sequence[Prompt], num_samples: int) -> tuple[Prompt, ...]:
    """One prompt per sample; a single prompt is shared by all samples.

    Raises:
        InputError: neither one prompt nor one per sample.
    """
    if len(prompts) == 1:
        return tuple(prompts) * num_samples
    if len(prompts) != num_samples:
        raise InputError(
            f"{len(prompts)} prompts for {num_samples} samples: give one prompt, or one per sample"
        )
    return tuple(prompts)


def negative_phrases(negative: PromptArgument) -> tuple[Phrase, ...]:
    """The phrases of negative prompts; a greater weight pushes away more strongly.

    Raises:
        InputError: a prompt that cannot be parsed, or a weight that is not positive.
    """
    phrases = tuple(phrase for prompt in as_prompts(negative) for phrase in prompt.phrases)
    for phrase in phrases:
        values = phrase.weight.values
        if min(values) < 0 or max(values) == 0:
            raise InputError(
                f"negative {phrase.text!r}: expected a weight above 0, got {min(values):g}; "
                "a negative already pushes away"
            )
    return phrases


def subtracted(negatives: Sequence[Phrase]) -> tuple[Phrase, ...]:
    """Negatives as phrases of a weighted sum: their weights times -`NEGATIVE_WEIGHT`."""
    return tuple(
        replace(
            phrase,
            weight=replace(
                phrase.weight,
                values=tuple(-NEGATIVE_WEIGHT * value for value in phrase.weight.values),
            ),
        )
        for phrase in negatives
    )


def refuse_stops(phrases: Iterable[Phrase], loss: str) -> None:
    """Raises InputError for a phrase with a stop, in a loss that computes no distances."""
    for phrase in phrases:
        if phrase.stop > -math.inf:
            raise InputError(
                f"{phrase.text[:60]!r}: a stop ({phrase.stop:g}) is not supported by {loss}; "
                "remove it"
            )
