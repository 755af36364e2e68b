"""Blind pairs, and how votes compare with scores."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from guidance.evaluate.bootstrap import mean_interval
from guidance.evaluate.votes import Vote, agreement, vote_name
from guidance.reports.items import make_items
from guidance.reports.page import read_source
from guidance.reports.vote import choose_pairs, name, vote_page
from tests.reports.folders import make_run
from tests.reports.test_report import Page


def test_pairs_are_of_one_prompt_and_repeat_with_their_seed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ["a pear"] * 3 + ["a plum"] * 2 + ["a fig"])
    source = read_source([run])
    items = make_items(source.done)
    pairs = [(name(a), name(b)) for a, b in choose_pairs(items, 1)]
    assert len({frozenset(pair) for pair in pairs}) == 3 + 1
    assert pairs == [(name(a), name(b)) for a, b in choose_pairs(items, 1)]
    orders = {tuple((name(a), name(b)) for a, b in choose_pairs(items, s)) for s in range(8)}
    assert len(orders) > 4
    page = Page(vote_page(source, 1, 25.0))
    assert [tuple(s["name"] for s in p["sides"]) for p in page.data["pairs"]] == pairs
    assert not page.all("img")  # nothing is shown before its turn
    assert vote_name(run / "samples" / "002") == name(items[2]) == "run#2"


def test_agreement_by_hand() -> None:
    scores = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}
    votes = [Vote("a", "b", "first"), Vote("c", "b", "second"), Vote("d", "c", "first")]
    found = agreement([*votes, Vote("a", "z", "first")], scores)
    assert (found.votes, found.ignored) == (3, 1)
    assert found.agreement.value == pytest.approx(2 / 3)
    # Signs of score gaps and votes, each pair in both orders: 2 + 2 the same, 1 + 1 opposite.
    # Tau-b of such a table is (2 * 2 - 1 * 1) / (3 * 3).
    assert found.kendall.value == pytest.approx(1 / 3)
    # Shares of wins: a 1, b 0, c -1, d 1; ranks 3.5, 2, 1, 3.5 against 4, 3, 2, 1.
    ranks, judged = [3.5, 2, 1, 3.5], [4, 3, 2, 1]
    cov = sum((r - 2.5) * (j - 2.5) for r, j in zip(ranks, judged, strict=True))
    spread = math.sqrt(sum((r - 2.5) ** 2 for r in ranks) * 5)
    assert found.spearman.value == pytest.approx(cov / spread)
    equal = agreement([Vote("a", "b", "equal")], scores)
    assert equal.agreement is equal.kendall is equal.spearman is None


def test_intervals_draw_prompts() -> None:
    values = [0.0, 1.0] * 50
    alone = mean_interval(values, list(range(100)))
    assert alone.value == 0.5
    assert alone.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.015)
    assert alone.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.015)
    # Ten copies of ten values say no more than the ten.
    few = [float(i % 2) for i in range(10)]
    copies = mean_interval(few * 10, list(range(10)) * 10)
    assert copies == mean_interval(few, list(range(10)))
    assert copies.high - copies.low > 2 * (alone.high - alone.low)
    assert math.isnan(mean_interval([1.0, 2.0], ["a", "b"]).low)
    assert mean_interval([], []) is None
