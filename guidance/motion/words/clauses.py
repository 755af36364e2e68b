"""The clauses of a prompt: what happens one after another, and what at the same time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from guidance.errors import InputError

_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: number for number, word in enumerate(_WORDS.split())} | {
    "a couple of": 2, "a few": 3, "several": 4, "many": 6,
}  # fmt: skip
_NUMBER = "|".join(sorted(NUMBERS, key=len, reverse=True)) + r"|\d+"
THEN = re.compile(
    r"\s*[,;.]?\s*\b(?:and\s+then|then|after\s+that|afterwards?|followed\s+by|and\s+finally|finally|"
    r"before(?=\s+\w+ing\b))\b\s*,?\s*",
    re.I,
)
WHILE = re.compile(r"\s*,?\s*\b(?:while|whilst|at\s+the\s+same\s+time\s+as)\b\s*", re.I)
TIMES = re.compile(rf"\b(?:({_NUMBER})\s+times|(once)|(twice)|(thrice))\b", re.I)
SECONDS = re.compile(rf"\bfor\s+({_NUMBER}|\d+\.\d+)\s+(second|minute)s?\b", re.I)
SIDE = re.compile(
    r"\b(?:(?:with|on|using|to|toward|towards)\s+)?(?:(?:the|his|her|their|its|a)\s+)?(left|right)"
    r"(?:\s+(?:hand|arm|leg|foot|side|fist|knee))?\b",
    re.I,
)
SPEEDS = (
    (re.compile(r"\bvery\s+slow(?:ly)?\b|\bin\s+slow\s+motion\b", re.I), 0.45),
    (re.compile(r"\bslow(?:ly)?\b|\bleisurely\b|\bgently\b", re.I), 0.65),
    (re.compile(r"\bvery\s+(?:quickly|fast)\b", re.I), 1.8),
    (re.compile(r"\bquick(?:ly)?\b|\brapidly\b|\bhurriedly\b|\bhastily\b|\bswiftly\b", re.I), 1.45),
)
MAX_COUNT, MAX_SECONDS, MAX_CLAUSES = 50, 120.0, 20


@dataclass(frozen=True)
class Action:
    """One action of a prompt, without the words that say how often, how fast, and where."""

    text: str
    count: int | None = None
    speed: float = 1.0
    seconds: float | None = None
    side: str | None = None  # "left" or "right"


def clauses(prompt: str) -> list[tuple[Action, ...]]:
    """The actions of a prompt: one after another, and in each clause at the same time.

    Raises:
        InputError: no action, or too many of them; a count or a duration out of bounds.
    """
    parts = [part.strip(" ,.;") for part in THEN.split(prompt)]
    found = [
        tuple(action(text) for text in WHILE.split(part) if text.strip(" ,.;"))
        for part in parts
        if part
    ]
    found = [clause for clause in found if clause]
    if not 1 <= len(found) <= MAX_CLAUSES:
        raise InputError(f"a prompt of a motion has 1 to {MAX_CLAUSES} actions; got {len(found)}")
    return found


def action(text: str) -> Action:
    """An action, with its count, speed, duration and side taken out of the text."""
    count = seconds = side = None
    if times := TIMES.search(text):
        count = 1 if times[2] else 2 if times[3] else 3 if times[4] else _number(times[1])
        if not 1 <= count <= MAX_COUNT:
            raise InputError(f"{times[0]!r}: an action is repeated 1 to {MAX_COUNT} times")
        text = TIMES.sub(" ", text, count=1)
    if length := SECONDS.search(text):
        seconds = _number(length[1]) * (60.0 if length[2].lower() == "minute" else 1.0)
        if not 0.1 <= seconds <= MAX_SECONDS:
            raise InputError(f"{length[0]!r}: an action takes 0.1 to {MAX_SECONDS:g} seconds")
        text = SECONDS.sub(" ", text, count=1)
    if where := SIDE.search(text):
        side = where[1].lower()
    speed = 1.0
    for pattern, factor in SPEEDS:
        if pattern.search(text):
            speed, text = factor, pattern.sub(" ", text)
            break
    return Action(" ".join(text.split()), count, speed, seconds, side)


def without_side(text: str) -> str:
    """The text without the words of a side, such as "with the left hand"."""
    return " ".join(SIDE.sub(" ", text).split()) or text


def _number(word: str) -> Any:
    word = word.lower()
    if word in NUMBERS:
        return NUMBERS[word]
    return float(word) if "." in word else int(word)
