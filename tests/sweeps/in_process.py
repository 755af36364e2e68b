"""A backend of sweeps that does runs in this process, and can fail on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guidance.sweeps.axes import Group
from guidance.sweeps.driver import Driver, Outcome, unfinished
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.packing import packs_of
from guidance.sweeps.trials import Resolver, trials_of
from guidance.sweeps.worker import perform
from guidance.tasks.base import find_task

DOT = "tests/runs/dot.py"


class InProcess:
    """Does each job at once.

    Args:
        crashes: how often the job of a folder ends without an answer of its own, by the folder.
    """

    def __init__(self, crashes: Mapping[str, int] | None = None) -> None:
        self.crashes = dict(crashes or {})
        self.begun: list[str] = []
        self._answers: list[dict[str, Any]] = []

    @property
    def free(self) -> bool:
        return not self._answers

    def submit(self, job: Mapping[str, Any]) -> None:
        folder = job["folder"]
        self.begun.append(folder)
        if self.crashes.get(folder, 0):
            self.crashes[folder] -= 1
            said = {"folder": folder, "status": "crashed", "error": "died", "exit_code": -9}
            self._answers.append(said)
        else:
            self._answers.append(perform(job))

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        answers, self._answers = self._answers, []
        return answers

    def interrupt(self) -> None:
        raise AssertionError("nobody interrupts these jobs")

    def close(self) -> None:
        self._answers.clear()


class Silent:
    """Keeps what would be shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, done: int, failed: int) -> None:
        pass

    def print(self, line: str) -> None:
        self.lines.append(line)


def resolver_of(options: Mapping[str, Any], task: str = DOT) -> Resolver:
    return Resolver(find_task(task), task, options)


def new_sweep(
    output: Path, resolver: Resolver, groups: list[Group], capacity: int, **header: Any
) -> SweepFolder:
    packs = packs_of(trials_of(resolver, groups), capacity)
    base = {"schema_version": 1, "task": resolver.name, "options": resolver.options}
    return SweepFolder.create(output, "test", {**base, **header}, packs)


def do(
    folder: SweepFolder, resolver: Resolver, backend: InProcess, retries: int = 1
) -> tuple[Outcome, Silent]:
    show = Silent()
    driver = Driver(folder, resolver, [], backend, retries=retries, show=show)
    return driver.work(unfinished(folder, resolver, lambda count: None)), show
