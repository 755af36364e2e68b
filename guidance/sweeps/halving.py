"""Successive halving: the weaker seeds of each combination stop early.

Every run waits after a fifth of its steps; the judge's better half goes on to the next fifth. The
last one is finished. A run that waits is an interrupted run: `guide run --resume` finishes it.

Source: Jamieson and Talwalkar, arXiv 1502.07943. Here the rungs lie at equal distances instead of
at doubling ones: eight seeds cost 40% of their steps, and 16 seeds 46%.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from guidance.runs.atomic import os_errors
from guidance.sweeps.driver import Attempt, Driver, Outcome
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.results import cell_of, score_on_the_way
from guidance.sweeps.trials import Resolver, Trial

RECORD = "halving.jsonl"
#: Rungs at most, and the share of the steps between them.
MOST_RUNGS, BETWEEN = 4, 0.2


@dataclass(frozen=True)
class Rung:
    """A pause: the step, and how many seeds go on."""

    step: int
    keep: int


def rungs(seeds: int, steps: int) -> list[Rung]:
    """The pauses of a run; each lies on a step at which the judge looks."""
    every = max(1, steps // 10)
    found: list[Rung] = []
    for number in range(1, MOST_RUNGS + 1):
        step = round(number * BETWEEN * steps / every) * every
        if seeds == 1 or not every <= step < steps:
            break
        seeds = (seeds + 1) // 2
        found.append(Rung(step, seeds))
    return found


def halve(driver: Driver, folder: SweepFolder, resolver: Resolver) -> Outcome:
    """Does the runs of a sweep with pauses, and finishes the best of each combination.

    Raises:
        OutOfResources: the disk is full.
    """
    cells: dict[str, list[Trial]] = {}
    for trial in folder.trials(resolver):
        cells.setdefault(cell_of(trial), []).append(trial)
    known = _recorded(folder)
    plans = {
        cell: rungs(len(trials), resolver.task(trials[0].values).steps)
        for cell, trials in cells.items()
    }
    for level in range(max(map(len, plans.values()), default=0)):
        here = {cell: plan[level] for cell, plan in plans.items() if level < len(plan)}
        waiting = [
            (trial, rung)
            for cell, rung in here.items()
            for trial in cells[cell]
            if (trial.id, rung.step) not in known and not folder.is_done(trial.folder)
        ]
        outcome = driver.work(Attempt([t], pause_at=rung.step) for t, rung in waiting)
        if outcome.interrupted:
            return outcome
        failed = {trial.id for trial, _ in outcome.failed}
        cells = {k: [t for t in found if t.id not in failed] for k, found in cells.items()}
        for cell, rung in here.items():
            scores = {
                trial.id: known.get((trial.id, rung.step))
                or score_on_the_way(folder, trial, rung.step)
                for trial in cells[cell]
            }
            new = {k: v for k, v in scores.items() if (k, rung.step) not in known}
            _record(folder, rung.step, new)
            best = sorted(cells[cell], key=lambda t: (-scores[t.id], t.seed))
            cells[cell] = sorted(best[: rung.keep], key=lambda t: t.seed)
    return driver.work(_rest(folder, cells))


def spent(folder: SweepFolder, resolver: Resolver) -> tuple[int, int]:
    """The steps that were done, and those of all runs without pauses."""
    reached: dict[str, int] = {}
    for name, step in _recorded(folder):
        reached[name] = max(step, reached.get(name, 0))
    done = full = 0
    for trial in folder.trials(resolver):
        steps = resolver.task(trial.values).steps
        full += steps
        done += steps if folder.is_done(trial.folder) else reached.get(trial.id, 0)
    return done, full


def _rest(folder: SweepFolder, cells: dict[str, list[Trial]]) -> Iterator[Attempt]:
    for trials in cells.values():
        for trial in trials:
            if not folder.is_done(trial.folder):
                yield Attempt([trial])


def _record(folder: SweepFolder, step: int, scores: dict[str, float]) -> None:
    with os_errors(folder.path), (folder.path / RECORD).open("a", encoding="utf-8") as file:
        for trial, score in scores.items():
            # A run that failed has no score; JSON has no infinity.
            if score > float("-inf"):
                file.write(json.dumps({"id": trial, "step": step, "score": score}) + "\n")


def _recorded(folder: SweepFolder) -> dict[tuple[str, int], float]:
    path = folder.path / RECORD
    found: dict[tuple[str, int], float] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                said = json.loads(line)
                found[str(said["id"]), int(said["step"])] = float(said["score"])
    return found
