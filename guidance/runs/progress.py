"""The progress of a run: a bar on terminals; elsewhere a line after the first step and tenths."""

from __future__ import annotations

import time
from collections.abc import Sequence

from guidance.loop.events import StepEvent
from guidance.loop.progress import ProgressBar, is_terminal, values_of
from guidance.runs.plan import Scores
from guidance.streams import say


class Progress:
    """Shows step, loss, the judge's score, time left and skipped steps; writes to stderr."""

    def __init__(self, title: str, steps: int, done: int = 0) -> None:
        self.steps, self.first = steps, done
        self.judged: float | None = None
        self.started = time.monotonic()
        self.skipped = 0
        self._bar = ProgressBar(title, steps, done) if is_terminal() else None
        if self._bar is not None:
            self._bar.start()

    def print_notes(self, notes: Sequence[str]) -> None:
        """Prints lines above the bar."""
        for note in notes:
            if self._bar is not None:
                self._bar.print(note)
            else:
                say(note)

    def judge(self, scores: Scores) -> None:
        """Sets the scores of the judge that are shown from now on."""
        self.judged = sum(score["similarity"] for score in scores) / len(scores)

    def show(self, event: StepEvent) -> None:
        """Shows a step."""
        self.skipped += event.skipped
        judged = {} if self.judged is None else {"judge": self.judged}
        values = values_of(event, self.skipped, **judged)
        if self._bar is not None:
            self._bar.update(event.step, values)
        elif (
            event.step in (self.first + 1, event.steps)
            or event.step % max(1, event.steps // 10) == 0
        ):
            left = (time.monotonic() - self.started) / (event.step - self.first)
            left *= event.steps - event.step
            line = f"step {event.step} of {event.steps}  {values}  {left:.0f} s left"
            say(line)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
