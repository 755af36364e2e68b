"""Results of trials: their scores in DONE.json, and their images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.evaluate.finished import FinishedRun, read_run
from guidance.evaluate.scoring import Sample
from guidance.runs.folder import METRICS
from guidance.runs.results import done_record
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.trials import Resolver, Trial


@dataclass(frozen=True)
class Scored:
    """A finished trial with the score that the judge of its run gave."""

    trial: Trial
    score: float
    judge: str

    def line(self) -> dict[str, Any]:
        """The trial in a leaderboard."""
        return {**self.trial.line(), "score": round(self.score, 6)}


def scored_trials(folder: SweepFolder, resolver: Resolver) -> Iterator[Scored]:
    """The finished trials of a sweep that a judge has scored.

    Raises:
        InputError: a DONE.json is damaged.
    """
    for pack in folder.packs(resolver):
        if folder.is_done(pack[0].folder):
            done = done_record(folder.path / pack[0].folder)
            for trial in pack:
                found = done["samples"][trial.sample or 0]["judge_after"]
                if found is not None:
                    yield Scored(trial, float(found["similarity"]), str(done["judge"]))


def score_on_the_way(folder: SweepFolder, trial: Trial, step: int) -> float:
    """The last score that the judge gave a run up to a step; -inf if there is none."""
    path, found = folder.path / trial.folder / METRICS, float("-inf")
    if not path.is_file():
        return found
    with path.open("rb") as file:
        for raw in file:
            line = json.loads(raw) if raw.endswith(b"\n") else {}
            if line.get("step", step + 1) > step:
                break
            if "judge" in line:
                found = float(line["judge"][trial.sample or 0]["similarity"])
    return found


class Images:
    """The results of trials, read again to be scored; the last run that was read is kept."""

    def __init__(self, folder: SweepFolder) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._run: FinishedRun | None = None

    def run(self, trial: Trial) -> FinishedRun:
        """The run of a trial."""
        path = self._folder.path / trial.folder
        if self._run is None or path != self._path:
            self._path, self._run = path, read_run(path)
        return self._run

    def sample(self, trial: Trial) -> Sample:
        """The sample of a trial."""
        return self.run(trial).samples[trial.sample or 0]


def cell_of(trial: Trial) -> str:
    """What trials that differ only in their seed have in common."""
    return f"{trial.key}\n{trial.prompt}"
