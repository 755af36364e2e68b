"""Confidence intervals by the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS, LEVEL, SEED = 2000, 0.95, 0
#: Of fewer values, intervals say nothing.
FEWEST = 5


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval of 95%."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3f} (too few for an interval)"
        return f"{self.value:.3f}  95% interval {self.low:.3f} to {self.high:.3f}"


def mean_interval(values: Sequence[float], groups: Sequence[Hashable]) -> Interval | None:
    """The mean and its percentile interval; groups are drawn, not single values.

    Samples of one prompt are not independent, so whole prompts are drawn with replacement.

    Args:
        groups: the prompt of each value.

    Returns:
        None without values. With fewer than `FEWEST` groups, the ends of the interval are `nan`.

    Source: the percentile method of Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    section 13.3; the draws repeat with their seed.
    """
    if not values:
        return None
    names = list(dict.fromkeys(groups))
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, group in zip(values, groups, strict=True):
        sums[names.index(group)] += value
        counts[names.index(group)] += 1
    mean = float(sums.sum() / counts.sum())
    if len(names) < FEWEST:
        return Interval(mean, float("nan"), float("nan"))
    drawn = np.random.default_rng(SEED).integers(0, len(names), (DRAWS, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high))


def statistic_interval(
    statistic: Callable[[np.ndarray], float], count: int, value: float
) -> Interval:
    """The percentile interval of a statistic of drawn indices; draws without one are left out."""
    if count < FEWEST:
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(SEED)
    found = np.array([statistic(rng.integers(0, count, count)) for _ in range(DRAWS // 2)])
    found = found[np.isfinite(found)]
    if len(found) < DRAWS // 4:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))
