"""Times of videos."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """A time as minutes and seconds, e.g. 2:05.5."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
