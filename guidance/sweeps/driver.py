"""The driver of a sweep: gives runs to workers until every trial is done or has failed.

A run is done when its DONE.json exists, whatever a worker says. A run that fails is done again:
first as a whole, if its worker died; then trial by trial, so that one bad trial fails alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from guidance.errors import OutOfResources
from guidance.runs.signals import Signals
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.local import Backend
from guidance.sweeps.packing import packs_of
from guidance.sweeps.trials import Resolver, Trial

#: Seconds between two looks at signals, and before a run is tried again that somebody else does.
LOOK, BUSY = 0.25, 1.0


@runtime_checkable
class Show(Protocol):
    """Shows the progress of a sweep."""

    def update(self, done: int, failed: int) -> None:
        """How many trials are done, and how many have failed."""

    def print(self, line: str) -> None:
        """A line for the user."""


@dataclass
class Attempt:
    """A run that is to be done, for some time to come, or the next time."""

    trials: list[Trial]
    attempt: int = 0
    not_before: float = 0.0
    pause_at: int | None = None

    @property
    def folder(self) -> str:
        return self.trials[0].folder


@dataclass
class Outcome:
    """How a sweep ended."""

    done: int = 0
    failed: list[tuple[Trial, str]] = field(default_factory=list)
    paused: list[Trial] = field(default_factory=list)
    interrupted: bool = False


class Driver:
    """Does the runs of a sweep.

    Args:
        folder: of the sweep.
        resolver: of its trials.
        files: Python files that the user named: folder of the kind, and path.
        backend: the workers.
        retries: how often a run is done again whose worker died.
        show: the progress.
    """

    def __init__(
        self,
        folder: SweepFolder,
        resolver: Resolver,
        files: list[tuple[str, str]],
        backend: Backend,
        *,
        retries: int,
        show: Show,
    ) -> None:
        self.folder, self.resolver, self.files = folder, resolver, files
        self.backend, self.retries, self.show = backend, retries, show
        self.waiting: deque[Attempt] = deque()
        self.running: dict[str, Attempt] = {}
        self.outcome = Outcome()
        self.disk_full = ""

    def work(self, attempts: Iterator[Attempt]) -> Outcome:
        """Does these runs, and those that they are split into.

        Raises:
            OutOfResources: the disk is full.
        """
        with Signals() as signals:
            told = False
            while True:
                stopping = signals.requested or bool(self.disk_full)
                if stopping and not told:
                    told = True
                    self.backend.interrupt()
                while not stopping and self.backend.free:
                    attempt = self._next(attempts)
                    if attempt is None:
                        break
                    self._submit(attempt)
                if not self.running and (stopping or not self.waiting):
                    break
                for said in self.backend.wait(LOOK):
                    self._answered(said)
                self.show.update(self.outcome.done, len(self.outcome.failed))
            self.outcome.interrupted = signals.requested
        self.folder.merge_splits()
        if self.disk_full:
            raise OutOfResources(
                f"{self.disk_full}; continue with: guide sweep --resume {self.folder.path}"
            )
        return self.outcome

    def _next(self, attempts: Iterator[Attempt]) -> Attempt | None:
        now = time.monotonic()
        if self.waiting and self.waiting[0].not_before <= now:
            return self.waiting.popleft()
        found = next(attempts, None)
        if found is None and self.waiting:
            self.waiting.rotate(-1)
        return found

    def _submit(self, attempt: Attempt) -> None:
        self.running[attempt.folder] = attempt
        job: dict[str, Any] = {
            "root": str(self.folder.path.absolute()),
            "folder": attempt.folder,
            "task": self.resolver.name,
            "config": self.resolver.mapping(attempt.trials),
            "files": self.files,
        }
        if attempt.pause_at:
            job["pause_at"] = attempt.pause_at
        self.backend.submit(job)

    def _answered(self, said: Mapping[str, Any]) -> None:
        attempt = self.running.pop(said["folder"])
        status = said["status"]
        if self.folder.is_done(attempt.folder):
            status = "done"
        elif status == "done":
            status, said = "failed", {**said, "error": "its DONE.json is missing", "exit_code": 1}
        event = {key: said[key] for key in ("folder", "seconds", "error") if said.get(key)}
        samples = len(attempt.trials)
        self.folder.note(
            {"time": round(time.time(), 1), "status": status, "samples": samples, **event}
        )
        if status == "done":
            self.outcome.done += samples
        elif status == "paused":
            self.outcome.paused += attempt.trials
        elif status == "busy":
            later = time.monotonic() + BUSY
            self.waiting.append(Attempt(attempt.trials, attempt.attempt, later, attempt.pause_at))
        elif status in ("failed", "crashed"):
            self._failed(attempt, status, said)

    def _failed(self, attempt: Attempt, status: str, said: Mapping[str, Any]) -> None:
        """Does a run again, as a whole or in parts, or gives its trial up."""
        error, number = str(said["error"]), attempt.attempt + 1
        if "disk is full" in error:
            self.disk_full = error
        elif status == "crashed" and attempt.attempt < self.retries:
            self.waiting.append(Attempt(attempt.trials, number, pause_at=attempt.pause_at))
        elif len(attempt.trials) > 1:
            out_of_memory = said["exit_code"] == OutOfResources.exit_code
            self._split(attempt, (len(attempt.trials) + 1) // 2 if out_of_memory else 1)
        else:
            trial = attempt.trials[0]
            self.outcome.failed.append((trial, error))
            self.show.print(f"failed: {trial.said()}: {error}")

    def _split(self, attempt: Attempt, capacity: int) -> None:
        for number, part in enumerate(packs_of(attempt.trials, capacity)):
            folder = f"{attempt.folder}-part-{number:03d}"
            trials = [trial.at(folder, trial.sample) for trial in part]
            self.folder.move(trials)
            self.waiting.append(Attempt(trials))
        self.show.print(f"note: {attempt.folder}: failed and is done again in parts")


def unfinished(
    folder: SweepFolder, resolver: Resolver, count: Callable[[int], None]
) -> Iterator[Attempt]:
    """The runs of a sweep that are not done; `count` is told of trials that are."""
    for pack in folder.packs(resolver):
        if folder.is_done(pack[0].folder):
            count(len(pack))
        else:
            yield Attempt(pack)


def log_folder(folder: SweepFolder) -> Path:
    """Where workers write what they print."""
    return folder.path / "workers"
