"""Sweeps in Python: the words of a sweep file as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.prompts import Prompt
from guidance.streams import say
from guidance.sweeps.axes import number_of
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.named import named_files
from guidance.sweeps.plan import SweepPlan
from guidance.sweeps.ready import ReadySweep, Running
from guidance.sweeps.shown import SweepResults, results_of
from guidance.sweeps.spec import Spec
from guidance.sweeps.trials import Resolver
from guidance.tasks.base import find_task


class Sweep:
    """A task done many times, prompts x seeds x any option, in worker processes.

        sweep = gd.Sweep("text2image", {"steps": 60}, grid={"prompt": ["a pear"], "seed": range(4)})
        results = sweep.run()
        results[0].folder, results[0].score

    Args:
        task: its name, or the path of a Python file, which is run.
        options: of the task and of its components, for all trials. Values are text, numbers and
            lists, as in a YAML file.
        words: axes and choices as in a YAML file of a sweep: `grid`, `zip`, `random`, `trials`,
            `random_seed`, `prompts`, `pack`, `best_of`, `halve`, `archive`, `report_judge`.

    Raises:
        InputError: a word is unknown or has a wrong value, or an axis is wrong.
    """

    def __init__(self, task: str, options: Mapping[str, Any] | None = None, **words: Any) -> None:
        given = {"task": task, "options": dict(options or {}), **words}
        self.spec = Spec.of({key: _plain(key, value) for key, value in given.items()}, "Sweep")
        self._groups = self.spec.groups()[1]

    def __len__(self) -> int:
        """The number of trials; those with the same configuration are done once."""
        return number_of(self._groups)

    def run(
        self,
        workers: int | None = None,
        *,
        retries: int = 1,
        address: str | None = None,
        gpus_per_run: float = 0.0,
    ) -> SweepResults:
        """Does all trials in a new folder, `outputs/sweeps/<time>-<task>-<axes>`.

        Args:
            workers: processes; by default one for each GPU, or one for every two cores.
            retries: how often a run is done again whose process died.
            address: of a Ray cluster, or "auto" or "local".
            gpus_per_run: on the cluster.

        Raises:
            InputError: a trial is wrong; then nothing is written.
            MissingWeights: a model is not on this machine.
            Interrupted: by Ctrl-C; `Sweep.resume` continues.
            OutOfResources: the disk is full.
        """
        running = Running(workers, retries, address, gpus_per_run)
        cls = find_task(self.spec.task)
        files = named_files(cls, self.spec.task, _texts(self.spec))
        plan = SweepPlan.of(cls, self.spec, running.count)
        folder = plan.write("")
        for line in plan.lines(folder):
            say(line)
        return _done(ReadySweep(folder, plan.resolver, files, plan.trials), running)

    @staticmethod
    def resume(folder: str | Path, workers: int | None = None, **files: str) -> SweepResults:
        """Does the trials of a sweep that are missing, and reads the results of all.

        Args:
            folder: of the sweep. One that another user wrote cannot choose files and devices.
            workers: as in `run`.
            files: the Python files of the sweep by their option, e.g. `generator="./mine.py"`;
                they are run.

        Raises:
            InputError: it is not the folder of a sweep, or is damaged.
            MissingWeights, Interrupted, OutOfResources: as in `run`.
        """
        opened = SweepFolder.open(Path(folder))
        name = str(opened.header.get("task"))
        if name.endswith(".py") and files.pop("task", None) != name:
            raise InputError(f"{folder}: is a sweep of {name}; name it: task={name!r}")
        cls = find_task(name)
        loaded = named_files(cls, name, {key: [path] for key, path in files.items()})
        options = dict(opened.header.get("options") or {})
        resolver = Resolver(cls, name, options, carried=not opened.is_own)
        trials = sum(1 for _ in opened.trials(resolver))
        return _done(ReadySweep(opened, resolver, loaded, trials), Running(workers))


def _done(sweep: ReadySweep, running: Running) -> SweepResults:
    return results_of(sweep, sweep.work(running).failed)


def _plain(name: str, value: Any) -> Any:
    """A value as YAML and JSON hold it. Raises InputError for one that they cannot hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{name}.{key}", each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(name, each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Prompt):
        return value.written()
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputError(
        f"Sweep: {name}: expected text, a number or a list of these, got {type(value).__name__}"
    )


def _texts(spec: Spec) -> dict[str, list[str]]:
    """The texts that were given for each option, alone or as values of an axis."""
    found: dict[str, list[str]] = {}
    for words in (spec.options, spec.grid, spec.zip, spec.random):
        for name, value in words.items():
            values = value if isinstance(value, list) else [value]
            found.setdefault(name, []).extend(each for each in values if isinstance(each, str))
    return found
