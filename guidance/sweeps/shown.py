"""The results of a sweep in Python: a sequence of trials that notebooks show as a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from guidance.runs.folder import contained
from guidance.runs.results import done_record
from guidance.sweeps.leaderboard import LEADERBOARD, read_leaderboard
from guidance.sweeps.ready import ReadySweep
from guidance.sweeps.results import cell_of
from guidance.sweeps.trials import Trial


@dataclass(frozen=True)
class TrialResult:
    """A finished trial."""

    values: dict[str, Any]  # of the axes
    prompt: str | None
    seed: int
    run: Path  # the folder of its run, which other trials may share
    files: tuple[Path, ...]  # its results, e.g. image.png
    score: float | None  # by the judge of the run; None without a judge
    cell: str = field(repr=False)  # the same for trials that differ only in their seed

    @property
    def folder(self) -> Path:
        """The folder of its results."""
        return self.files[0].parent if self.files else self.run


@dataclass(frozen=True)
class SweepResults(Sequence[TrialResult]):
    """The finished trials of a sweep, in the order of its axes.

    Attributes:
        folder: of the sweep.
        trials: that are done.
        failed: the values and the error of each trial that failed.
    """

    folder: Path
    trials: tuple[TrialResult, ...]
    failed: tuple[tuple[dict[str, Any], str], ...] = ()

    @overload
    def __getitem__(self, index: int) -> TrialResult: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TrialResult, ...]: ...
    def __getitem__(self, index: int | slice) -> TrialResult | tuple[TrialResult, ...]:
        return self.trials[index]

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def best(self) -> tuple[TrialResult, ...]:
        """The best seed of each combination of the other values by the judge; the best first."""
        found: dict[str, TrialResult] = {}
        for trial in self.trials:
            if trial.score is not None:
                known = found.get(trial.cell)
                if known is None or known.score is None or trial.score > known.score:
                    found[trial.cell] = trial
        return tuple(sorted(found.values(), key=lambda trial: -(trial.score or 0)))

    @property
    def leaderboard(self) -> dict[str, Any] | None:
        """What leaderboard.json says, with the scores by the second judge; None without choice."""
        is_there = (self.folder / LEADERBOARD).is_file()
        return read_leaderboard(self.folder) if is_there else None

    def _repr_html_(self) -> str:
        """The results with their values and scores, for notebooks."""
        from guidance.reports.notebook import Tile, gallery

        return gallery(self.folder, [Tile(each.files, _lines(each)) for each in self.trials])


def results_of(sweep: ReadySweep, failed: Sequence[tuple[Trial, str]] = ()) -> SweepResults:
    """The results of a sweep so far.

    Raises:
        InputError: a DONE.json is damaged.
    """
    errors = tuple((dict(trial.values), said) for trial, said in failed)
    return SweepResults(sweep.folder.path, tuple(_finished(sweep)), errors)


def _finished(sweep: ReadySweep) -> Iterator[TrialResult]:
    folder = sweep.folder
    for pack in folder.packs(sweep.resolver):
        if not folder.is_done(pack[0].folder):
            continue
        run = folder.path / pack[0].folder
        samples = done_record(run)["samples"]
        for trial in pack:
            said = samples[trial.sample or 0]
            files = tuple(run / name for name in said["files"] if contained(run, run / name))
            after = said["judge_after"]
            score = None if after is None else float(after["similarity"])
            yield TrialResult(
                dict(trial.values), trial.prompt, trial.seed, run, files, score, cell_of(trial)
            )


def _lines(trial: TrialResult) -> tuple[str, ...]:
    others = {k: v for k, v in trial.values.items() if k not in ("prompt", "seed")}
    values = [f"seed {trial.seed}", *(f"{name} {value}" for name, value in others.items())]
    score = [] if trial.score is None else [f"judge {trial.score:.3f}"]
    return (trial.prompt or trial.run.name, ", ".join(values), *score)
