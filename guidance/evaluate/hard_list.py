"""The committed list of texts that prompts are ranked among.

Ranking a prompt among the few other prompts of the same runs is easy, and the result depends on
which runs are compared. The list is fixed, and most of its texts differ from another one in one
word: a color, a material, a count, a relation.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

#: The name in records; a changed list gets another one.
NAME = "hard-1"
PLACE = Path(__file__).parent / "lists" / "hard.txt"


@cache
def hard_list() -> tuple[str, ...]:
    """The texts of the list."""
    lines = PLACE.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
