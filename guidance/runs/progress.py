"""How far a run is: a bar on terminals, a plain line every tenth elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from guidance.loop.events import StepEvent
from guidance.runs.plan import Scores


class Progress:
    """Shows step, loss, the judge's score, time left and skipped steps; writes to stderr."""

    def __init__(self, title: str, steps: int, done: int = 0) -> None:
        self.steps, self.first = steps, done
        self.judged: float | None = None
        self.started = time.monotonic()
        self.skipped = 0
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
            self._row = self._bar.add_task(title, total=steps, completed=done, words="")

    def tell(self, notes: Sequence[str]) -> None:
        """Lines that stay above the bar."""
        for note in notes:
            if self._bar is not None:
                self._bar.console.print(note, markup=False, highlight=False)
            else:
                print(note, file=sys.stderr, flush=True)

    def judge(self, scores: Scores) -> None:
        """The judge's latest word."""
        self.judged = sum(score["similarity"] for score in scores) / len(scores)

    def show(self, event: StepEvent) -> None:
        """After each step."""
        self.skipped += event.skipped
        if self._bar is not None:
            self._bar.update(self._row, completed=event.step, words=self._words(event))
        elif event.step == event.steps or event.step % max(1, event.steps // 10) == 0:
            left = (time.monotonic() - self.started) / (event.step - self.first)
            left *= event.steps - event.step
            words = f"step {event.step} of {event.steps}  {self._words(event)}  {left:.0f} s left"
            print(words, file=sys.stderr, flush=True)

    def _words(self, event: StepEvent) -> str:
        loss = sum(float(value.mean()) for value in event.losses.values())
        words = [f"loss {loss:.4f}"]
        if self.judged is not None:
            words.append(f"judge {self.judged:.3f}")
        if self.skipped:
            words.append(f"skipped {self.skipped}")
        return "  ".join(words)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
