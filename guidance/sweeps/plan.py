"""What a sweep will do, before its folder is written: its trials, checked, and its runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.models.catalogue import check_is_here
from guidance.sweeps.axes import Group, combinations, number_of
from guidance.sweeps.estimate import sample_bytes
from guidance.sweeps.folder import SCHEMA_VERSION, SweepFolder
from guidance.sweeps.packing import capacity_of, free_memory, packs_of
from guidance.sweeps.spec import CHOICES, Spec
from guidance.sweeps.trials import PACKED, Resolver, Trial, trials_of
from guidance.tasks.base import Task

#: An option of every task that is off in sweeps: a video takes longer than many a trial.
VIDEO = "progress_video"


@dataclass
class SweepPlan:
    """A sweep whose first trial is resolved and correct.

    `trials` and `runs` are counted while the runs are listed.
    """

    spec: Spec
    resolver: Resolver
    groups: list[Group]
    task: Task  # of the first trial, apart from its prompt and seed
    capacity: int  # samples of a run at most
    trials: int = field(default=0, init=False)
    runs: int = field(default=0, init=False)

    @classmethod
    def of(cls, task: type[Task], spec: Spec, workers: int) -> SweepPlan:
        """The plan of a sweep.

        Args:
            workers: runs at one time.

        Raises:
            InputError: an axis is wrong, or an option of the first trial.
        """
        options, groups = spec.groups()
        names = {name for group in groups for name in group.names}
        if VIDEO not in names:
            options.setdefault(VIDEO, False)
        resolver = Resolver(task, spec.task, options)
        first = next(combinations(groups))
        resolver.trial(first, 1)
        resolved, capacity = resolver.task(first), spec.pack or 1
        if spec.pack is None and not spec.halve and names & set(PACKED):
            memory = free_memory(resolved.torch_device())
            capacity = capacity_of(sample_bytes(resolved), memory, workers, number_of(groups))
        return cls(spec, resolver, groups, resolved, capacity)

    def packs(self) -> Iterator[list[Trial]]:
        """The trials of each run; every trial is resolved, and an error names it."""
        self.trials = self.runs = 0
        for pack in packs_of(trials_of(self.resolver, self.groups), self.capacity):
            self.runs += 1
            self.trials += len(pack)
            yield pack

    def write(self, title: str) -> SweepFolder:
        """The folder of the sweep with all its trials.

        Args:
            title: of the folder, behind the time; by default the task and the axes.

        Raises:
            InputError: a trial is wrong; then nothing is written.
            MissingWeights: a model of the first trial is not on this machine.
        """
        for name in self.task.models:
            check_is_here(name)
        _check_judges(self.spec, self.task)
        names = (name for group in self.groups for name in group.names)
        title = title or "-".join([self.resolver.cls.task_name(), *names])
        header = {
            "schema_version": SCHEMA_VERSION,
            "task": self.spec.task,
            "steps": self.task.steps,
            "options": _plain(self.resolver.options),
            "axes": self.spec.axes(self.groups),
            "pack": self.capacity,
            **{key: getattr(self.spec, key) for key in CHOICES if getattr(self.spec, key)},
        }
        return SweepFolder.create(Path(self.task.output), title, header, self.packs())

    def lines(self, folder: SweepFolder) -> Iterable[str]:
        """The lines to print after the folder is written."""
        yield from (f"guide: {note}" for note in self.resolver.notes)
        yield f"{folder.path}: {self.trials} trials in {self.runs} runs"


def _check_judges(spec: Spec, task: Task) -> None:
    """Raises InputError where nothing can choose, or the second judge is not independent."""
    if not (spec.best_of or spec.halve or spec.archive):
        if spec.report_judge:
            raise InputError("sweep: --report-judge belongs to --best-of and --halve")
        return
    if not task.judge:
        raise InputError("sweep: --best-of, --halve and --archive need the judge; leave --judge on")
    if spec.report_judge:
        from guidance.evaluate.families import LossModel
        from guidance.models.judges import judge_for
        from guidance.sweeps.second_judge import name_of_second

        families = {LossModel.of(name).family for name in task.models}
        name_of_second(families, judge_for(families), spec.report_judge)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options as YAML holds them."""
    return {key: str(v) if isinstance(v, Path) else v for key, v in options.items()}
