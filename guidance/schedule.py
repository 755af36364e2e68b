"""A number that changes over a run.

Written as `0.1` (constant), `"30 -> 0.6"` (straight line), `"0.1 -> 0 cosine"` (half a cosine),
`"0.02 -> 0.001 log"` (a straight line of logarithms) or with more corners,
`"0 -> 1 @ 0.25 -> 1"`, where the number after `@` is the progress of a corner.

Schedules depend on progress in [0, 1], not on the step: a run with half the steps has the same
schedule.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from guidance.errors import InputError
from guidance.parsed import Parsed

SHAPES = ("linear", "cosine", "log")
EXAMPLES = '0.1, "30 -> 0.6", "0.1 -> 0 cosine", "0 -> 1 @ 0.25 -> 1"'


@dataclass(frozen=True)
class Schedule(Parsed):
    """A piecewise curve over progress: the values at its corners, and the interpolation."""

    values: tuple[float, ...]
    places: tuple[float, ...]
    shape: str = "linear"

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: float | str | Schedule) -> Schedule:
        """Reads a number or the notation of this module. Raises InputError on anything else."""
        if isinstance(text, Schedule):
            return text
        if isinstance(text, int | float):
            return cls._checked((float(text),), (0.0,), "linear", text)
        words = text.split()
        shape = words.pop() if words and words[-1] in SHAPES else "linear"
        corners = [corner.split("@") for corner in " ".join(words).split("->")]
        try:
            values = tuple(float(corner[0]) for corner in corners)
            places = tuple(float(corner[1]) if corner[1:] else math.nan for corner in corners)
        except ValueError:
            raise InputError(f"schedule {text!r}: expected one of {EXAMPLES}") from None
        return cls._checked(values, _spread(places), shape, text)

    @classmethod
    def _checked(
        cls, values: tuple[float, ...], places: tuple[float, ...], shape: str, text: object
    ) -> Schedule:
        if not all(math.isfinite(value) for value in values):
            raise InputError(f"schedule {text!r}: values must be finite; write {EXAMPLES}")
        if list(places) != sorted(places) or places[0] < 0 or places[-1] > 1:
            raise InputError(f"schedule {text!r}: places after @ must rise within 0..1")
        if shape == "log" and min(values) <= 0:
            raise InputError(f"schedule {text!r}: a log schedule needs values above 0")
        return cls(values, places, shape)

    accepts = (str, int, float)

    def written(self) -> str | float:
        """A number for a constant, else the notation of this module."""
        if len(self.values) == 1 and self.places == (0.0,) and self.shape == "linear":
            return self.values[0]
        usual = _spread((math.nan,) * len(self.values))
        corners = [
            f"{value!r}" if place == even else f"{value!r} @ {place!r}"
            for value, place, even in zip(self.values, self.places, usual, strict=True)
        ]
        shape = "" if self.shape == "linear" else f" {self.shape}"
        return " -> ".join(corners) + shape

    def __str__(self) -> str:
        written = self.written()
        return f"{written:g}" if isinstance(written, float) else written

    @property
    def is_zero(self) -> bool:
        """Whether the value is 0 at every progress."""
        return not any(self.values)

    def scaled(self, factor: float) -> Schedule:
        """The schedule with its values multiplied by a number."""
        return replace(self, values=tuple(value * factor for value in self.values))

    def __call__(self, progress: float) -> float:
        """The value at a progress in [0, 1]; constant beyond the outer corners."""
        right = bisect_right(self.places, progress)
        if right == 0:
            return self.values[0]
        if right == len(self.places):
            return self.values[-1]
        start, stop = self.places[right - 1], self.places[right]
        low, high = self.values[right - 1], self.values[right]
        share = (progress - start) / (stop - start)
        if self.shape == "log":
            return float(low * (high / low) ** share)
        if self.shape == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        return low + (high - low) * share


def _spread(places: tuple[float, ...]) -> tuple[float, ...]:
    """Fills in missing places: the ends at 0 and 1, the others evenly spaced between known ones."""
    filled = list(places)
    if math.isnan(filled[0]):
        filled[0] = 0.0
    if len(filled) > 1 and math.isnan(filled[-1]):
        filled[-1] = 1.0
    known = [index for index, place in enumerate(filled) if not math.isnan(place)]
    for left, right in pairwise(known):
        for index in range(left + 1, right):
            share = (index - left) / (right - left)
            filled[index] = filled[left] + share * (filled[right] - filled[left])
    return tuple(filled)
