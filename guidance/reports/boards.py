"""The leaderboard of a sweep: which seed of each combination was chosen, and by whom it is judged.

The file may come from elsewhere, so each value is checked, and texts are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.reports.items import Item
from guidance.reports.sweeps import Sweep
from guidance.runs.json_records import read_record
from guidance.runs.summary import number, shown

LEADERBOARD = "leaderboard.json"
MOST_ROWS = 1000


@dataclass(frozen=True)
class Result:
    """The best or the first seed of a combination."""

    seed: int
    score: float | None  # by the judge that chose
    report: float | None  # by the second judge
    place: str  # the run folder in the sweep
    sample: int


@dataclass(frozen=True)
class Row:
    """A combination of values of the axes."""

    prompt: str
    values: str
    seeds: int
    best: Result
    first: Result

    @property
    def gain(self) -> float | None:
        """By the second judge, over the first seed."""
        if self.best.report is None or self.first.report is None:
            return None
        return self.best.report - self.first.report


@dataclass(frozen=True)
class Board:
    """The content of leaderboard.json."""

    judge: str
    report_judge: str | None
    measure: str
    gain: tuple[float, float, float] | None  # mean, and its interval of 95%
    steps: tuple[int, int] | None  # with halving: done, and without it
    rows: tuple[Row, ...]


def read_board(folder: Path) -> Board | None:
    """The leaderboard of a sweep; None if it has none.

    Raises:
        InputError: it is damaged.
    """
    path = folder / LEADERBOARD
    if not path.is_file():
        return None
    advice = f"write it again: guide sweep --resume {folder}"
    try:
        return _board(read_record(path, advice))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise InputError(f"{path}: is damaged; {advice}") from None


def _board(found: Mapping[str, Any]) -> Board:
    gain, steps = found.get("gain"), found.get("steps")
    judge = found.get("report_judge")
    return Board(
        shown(found["judge"]),
        None if judge is None else shown(judge),
        shown(found.get("measure", "")),
        None if gain is None else (float(gain["mean"]), *map(float, gain["interval"][:2])),  # type: ignore[arg-type]
        None if steps is None else (int(steps["done"]), int(steps["without_halving"])),
        tuple(map(_row, found["rows"][:MOST_ROWS])),
    )


def _row(row: Mapping[str, Any]) -> Row:
    values = {key: value for key, value in row["values"].items() if key != "prompt"}
    prompt = row.get("prompt")
    return Row(
        "" if prompt is None else shown(prompt),
        shown(", ".join(f"{key}={value}" for key, value in values.items())),
        int(row["seeds"]),
        _result(row["best"]),
        _result(row["first"]),
    )


def _result(line: Mapping[str, Any]) -> Result:
    score, report = (number(line.get(key)) for key in ("score", "report"))
    sample = int(line.get("sample") or 0)
    return Result(int(line["seed"]), score, report, shown(line["folder"]), sample)


def places(items: Sequence[Item], sweep: Sweep | None) -> dict[tuple[str, int], str]:
    """The id of each item by its run folder in the sweep and its sample."""
    if sweep is None:
        return {}
    inside = [item for item in items if item.run.folder.is_relative_to(sweep.folder)]
    return {
        (item.run.folder.relative_to(sweep.folder).as_posix(), item.index): item.id
        for item in inside
    }
