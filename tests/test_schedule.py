from __future__ import annotations

import pytest

from guidance.errors import InputError
from guidance.schedule import Schedule


@pytest.mark.parametrize(
    ("text", "progress", "value"),
    [
        (0.1, 0.7, 0.1),
        ("0.1", 0.7, 0.1),
        ("30 -> 0.6", 0.0, 30),
        ("30 -> 0.6", 0.5, 15.3),
        ("30 -> 0.6", 1.0, 0.6),
        ("1 -> 0 cosine", 0.25, 0.8535533905932737),
        ("1 -> 0.01 log", 0.5, 0.1),
        ("0 -> 1 @ 0.25 -> 1", 0.125, 0.5),
        ("0 -> 1 @ 0.25 -> 1", 0.9, 1.0),
        ("1 -> 2 -> 3", 0.25, 1.5),
        ("5 @ 0.5 -> 7", 0.2, 5.0),
        ("-1 -> 1e-3", 0.0, -1.0),
    ],
)
def test_values(text: str | float, progress: float, value: float) -> None:
    assert Schedule.parse(text)(progress) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "fast", "1 ->", "1 -> nan", "1 @ 2 -> 3", "1 @ 0.9 -> 2 @ 0.1", "1 -> 0 log"]
)
def test_refusals(text: str) -> None:
    with pytest.raises(InputError, match="schedule"):
        Schedule.parse(text)
