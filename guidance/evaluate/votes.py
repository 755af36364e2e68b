"""Votes of people on pairs of results, and how far the judge agrees with them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from guidance.errors import InputError
from guidance.evaluate.bootstrap import Interval, statistic_interval
from guidance.media.formats import opened

#: Limits of a file of votes.
MAX_BYTES, MAX_VOTES = 2**24, 100_000
SCHEMA_VERSION = 1
Choice = Literal["first", "second", "equal"]


@dataclass(frozen=True)
class Vote:
    """What a person preferred; results are named by `folder#sample`."""

    first: str
    second: str
    choice: Choice

    @property
    def preference(self) -> float:
        """1 for the first, -1 for the second, 0 if they are equal."""
        return {"first": 1.0, "second": -1.0, "equal": 0.0}[self.choice]


@dataclass(frozen=True)
class Agreement:
    """How the judge's scores and the votes of people go together."""

    votes: int
    ignored: int  # votes on results that were not scored
    agreement: Interval | None  # share of the decided pairs in which the judge prefers the same
    kendall: Interval | None  # tau-b of score differences and votes, over pairs
    spearman: Interval | None  # rho of the judge's scores and the share of wins, over results


def read_votes(path: Path) -> list[Vote]:
    """The votes in a file that the page of `guide report --vote` saved.

    Raises:
        InputError: the file is missing, too large or damaged.
    """
    with opened(path, str(path), MAX_BYTES) as file:
        content = file.read()
    try:
        values = json.loads(content)
        if values["schema_version"] != SCHEMA_VERSION:
            raise InputError(f"{path}: has votes of another version; make the page again")
        votes = [_vote(each) for each in values["votes"]]
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{path}: holds no votes; save them with the page of --vote") from None
    if not votes or len(votes) > MAX_VOTES:
        raise InputError(f"{path}: expected 1 to {MAX_VOTES:,} votes, found {len(votes):,}")
    return votes


def vote_name(folder: Path) -> str:
    """The name of a sample in votes: that of its run, and its place in it."""
    parts = folder.resolve().parts
    is_sample = len(parts) > 2 and parts[-2] == "samples"
    return f"{parts[-3]}#{int(parts[-1])}" if is_sample else f"{parts[-1]}#0"


def _vote(each: Mapping[str, Any]) -> Vote:
    choice = each["choice"]
    if choice not in ("first", "second", "equal"):
        raise ValueError("no choice")
    return Vote(str(each["first"]), str(each["second"]), choice)


def agreement(votes: Sequence[Vote], scores: Mapping[str, float]) -> Agreement:
    """Compares votes with the judge's scores, each by the name of the result.

    Args:
        scores: the judge's similarities.

    Source: Kendall's tau-b and Spearman's rho with ties, as in scipy; intervals by the bootstrap
    over votes.
    """
    known = [vote for vote in votes if vote.first in scores and vote.second in scores]
    if not known:
        return Agreement(0, len(votes), None, None, None)
    gaps = np.array([scores[vote.first] - scores[vote.second] for vote in known])
    preferred = np.array([vote.preference for vote in known])

    def wins(chosen: np.ndarray) -> float:
        return _spearman([known[index] for index in chosen], scores)

    everything = np.arange(len(known))
    measures = []
    for of in (
        lambda i: _agreeing(gaps[i], preferred[i]),
        lambda i: _kendall(gaps[i], preferred[i]),
        wins,
    ):
        value = of(everything)
        measures.append(statistic_interval(of, len(known), value) if math.isfinite(value) else None)
    return Agreement(len(known), len(votes) - len(known), *measures)


def _agreeing(gaps: np.ndarray, preferred: np.ndarray) -> float:
    decided = preferred != 0
    if not decided.any():
        return float("nan")
    same = np.sign(gaps[decided]) * preferred[decided]
    return float(((same + 1) / 2).mean())


def _kendall(gaps: np.ndarray, preferred: np.ndarray) -> float:
    """Tau-b over all pairs in both orders, so that which result came first does not matter."""
    from scipy.stats import kendalltau

    if not preferred.any() or not gaps.any():
        return float("nan")
    both = np.concatenate([gaps, -gaps]), np.concatenate([preferred, -preferred])
    return float(kendalltau(*both).statistic)


def _spearman(votes: Sequence[Vote], scores: Mapping[str, float]) -> float:
    from scipy.stats import spearmanr

    won: dict[str, list[float]] = {}
    for vote in votes:
        won.setdefault(vote.first, []).append(vote.preference)
        won.setdefault(vote.second, []).append(-vote.preference)
    names = list(won)
    shares = [sum(won[name]) / len(won[name]) for name in names]
    judged = [scores[name] for name in names]
    if len(names) < 3 or len(set(shares)) < 2 or len(set(judged)) < 2:
        return float("nan")
    return float(spearmanr(judged, shares).statistic)
