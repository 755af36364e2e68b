"""Sweep folders, as far as a page needs them: the axes, and which sample has which values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.config.files import read_record
from guidance.errors import InputError
from guidance.media.formats import opened
from guidance.reports.differences import as_text
from guidance.runs.folder import contained
from guidance.runs.summary import shown

SWEEP, TRIALS, SPLITS = "sweep.yaml", "trials.jsonl", "splits.jsonl"
#: Limits of trials.jsonl.
MAX_BYTES, MAX_TRIALS, MAX_AXES = 2**26, 20_000, 12


@dataclass(frozen=True)
class Trial:
    """One trial: a sample of a run folder."""

    folder: Path
    sample: int
    values: Mapping[str, str]  # by axis


@dataclass(frozen=True)
class Sweep:
    """The axes of a sweep in their order, with the values of each, and the trials."""

    folder: Path
    axes: Mapping[str, tuple[str, ...]]
    trials: tuple[Trial, ...]
    problems: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Path]:
        """The run folders, each once."""
        return list(dict.fromkeys(trial.folder for trial in self.trials))


def is_sweep(path: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (path / SWEEP).is_file()


def read_sweep(folder: Path) -> Sweep:
    """Reads the folder of a sweep; damaged trials become problems.

    Raises:
        InputError: sweep.yaml or trials.jsonl is missing or damaged.
    """
    problems: list[str] = []
    moved = {}
    if (folder / SPLITS).is_file():
        for line in _lines(folder / SPLITS, problems):
            moved[str(line.get("id"))] = line
    trials = []
    for number, line in enumerate(_lines(folder / TRIALS, problems), 1):
        try:
            trials.append(_trial(folder, {**line, **moved.get(str(line.get("id")), {})}))
        except (ValueError, TypeError, KeyError) as error:
            reason = str(error) if isinstance(error, InputError) else "is damaged"
            problems.append(shown(f"{folder / TRIALS}: trial {number}: {reason}"))
    axes = _axes_of(trials)
    named = _axes(read_record(folder / SWEEP).get("axes"), folder / SWEEP)
    ordered = {
        name: values or axes[name] for name, values in named.items() if values or name in axes
    }
    return Sweep(folder, ordered or axes, tuple(trials), tuple(problems))


def _lines(path: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    """The mappings in a file with one JSON value per line."""
    with opened(path, str(path), MAX_BYTES) as file:
        for number, raw in enumerate(file, 1):
            if number > MAX_TRIALS:
                problems.append(f"{path}: only the first {MAX_TRIALS:,} trials are shown")
                return
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                line = None
            if isinstance(line, dict):
                yield line
            else:
                problems.append(f"{path}: line {number}: is damaged")


def _trial(folder: Path, line: Mapping[str, Any]) -> Trial:
    place = str(line["folder"])
    inside = contained(folder, folder / place).relative_to(folder.resolve())
    sample = line.get("sample") or 0
    if type(sample) is not int or sample < 0:
        raise ValueError("no sample")
    values = {shown(key): shown(as_text(value)) for key, value in dict(line["values"]).items()}
    return Trial(folder / inside, sample, values)


def _axes(axes: Any, where: Path) -> dict[str, tuple[str, ...]]:
    """Axes as `name: values`, or as a list of mappings with `name` and perhaps `values`."""
    try:
        if isinstance(axes, list):
            axes = {each["name"]: each.get("values", []) for each in axes}
        found = {
            shown(name): tuple(dict.fromkeys(shown(as_text(value)) for value in values))
            for name, values in (axes or {}).items()
            if isinstance(values, list)
        }
    except (TypeError, KeyError, AttributeError):
        raise InputError(f"{where}: is damaged: expected axes with lists of values") from None
    if len(found) > MAX_AXES:
        raise InputError(f"{where}: has more than {MAX_AXES} axes")
    return found


def _axes_of(trials: list[Trial]) -> dict[str, tuple[str, ...]]:
    """The axes by the values that trials have."""
    found: dict[str, dict[str, None]] = {}
    for trial in trials:
        for name, value in trial.values.items():
            if len(found) < MAX_AXES or name in found:
                found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}
