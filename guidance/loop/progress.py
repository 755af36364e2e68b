"""The progress bar on terminals, of `optimize` and of the command line."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from guidance.loop.events import Event, StepEvent
from guidance.texts import printable

#: A run continues without its terminal: what cannot be shown is given up.
IF_SHOWN = contextlib.suppress(OSError, ValueError)


class ProgressBar:
    """Steps, loss and time left, on stderr; a context manager, and a listener of the loop.

    Args:
        title: the text on the left.
        steps: of the whole run.
        done: steps before a resumed run continues.
    """

    def __init__(self, title: str, steps: int, done: int = 0) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._skipped = 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[values]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._row = self._bar.add_task(title, total=steps, completed=done, values="")

    def __enter__(self) -> ProgressBar:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Shows the bar."""
        with IF_SHOWN:
            self._bar.start()

    def stop(self) -> None:
        """Leaves the bar as it is."""
        with IF_SHOWN:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEvent):
            self._skipped += event.skipped
            self.update(event.step, values_of(event, self._skipped))

    def needs(self, step: int) -> bool:
        """Steps may be shown later than they are done."""
        return False

    def update(self, step: int, values: str) -> None:
        """Moves the bar to a step, with values beside it."""
        with IF_SHOWN:
            self._bar.update(self._row, completed=step, values=values)

    def print(self, line: str) -> None:
        """Prints a line above the bar."""
        with IF_SHOWN:
            self._bar.console.print(printable(line), markup=False, highlight=False)


def values_of(event: StepEvent, skipped: int = 0, **others: Any) -> str:
    """The loss of a step, other values, and the number of skipped steps, as one line."""
    loss = sum(float(value.mean()) for value in event.losses.values())
    values = [f"loss {loss:.4f}", *(f"{name} {value:.3f}" for name, value in others.items())]
    if skipped:
        values.append(f"skipped {skipped}")
    return "  ".join(values)


def is_terminal() -> bool:
    """Whether stderr is a terminal, where a progress bar can be shown."""
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
