"""Where the seconds of a run go: nested phases, each without those within it.

    with measured_phases() as phases:
        with phase("steps"):
            with phase("encoder"): ...
    phases.seconds  # {"steps": 1.2, "encoder": 3.4}

Outside of `measured_phases`, a phase costs nothing. Other threads are not measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Phases:
    """The seconds of each phase so far, in the order in which they were first entered."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._open: list[str] = []
        self._since = 0.0

    def enter(self, name: str) -> None:
        """Begins a phase within the current one."""
        self._count()
        self.seconds.setdefault(name, 0.0)
        self._open.append(name)

    def leave(self) -> None:
        """Ends the current phase."""
        self._count()
        self._open.pop()

    def rounded(self) -> dict[str, float]:
        """The seconds of each phase, and their sum as "total"."""
        self._count()
        found = {name: round(seconds, 3) for name, seconds in self.seconds.items()}
        return {**found, "total": round(sum(self.seconds.values()), 3)}

    def _count(self) -> None:
        """Adds the time since the last call to the current phase."""
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()  # the work that a phase has queued belongs to it
        now = self._clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


_current: ContextVar[Phases | None] = ContextVar("phases", default=None)


#: When the process of the command line began to work.
_process: list[float] = []


def own_process() -> None:
    """Tells when the process of the command line began; called once."""
    _process.append(time.perf_counter())


@contextmanager
def measured_phases(clock: Callable[[], float] = time.perf_counter) -> Iterator[Phases]:
    """Measures the phases within it; "start" is what the command line did before.

    Args:
        clock: seconds, e.g. `time.process_time` on a busy machine.
    """
    phases = Phases(clock)
    if _process:
        phases.seconds["start"] = time.perf_counter() - _process[-1]
    before = _current.set(phases)
    try:
        yield phases
    finally:
        _current.reset(before)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """A phase of that name, if phases are measured."""
    phases = _current.get()
    if phases is None:
        yield
        return
    phases.enter(name)
    try:
        yield
    finally:
        phases.leave()


def seconds_by_phase() -> dict[str, float] | None:
    """The seconds of each phase so far, rounded; None if they are not measured."""
    phases = _current.get()
    return None if phases is None else phases.rounded()
