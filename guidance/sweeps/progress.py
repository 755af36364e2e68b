"""The progress of a sweep: a bar on terminals, plain lines elsewhere."""

from __future__ import annotations

import time

from guidance.loop.progress import ProgressBar, is_terminal
from guidance.streams import say
from guidance.sweeps.estimate import duration

#: Seconds between two plain lines at least.
EVERY = 10.0


class SweepProgress:
    """Shows how many trials are done and have failed, and the time that is left."""

    def __init__(self, trials: int) -> None:
        self.trials, self.before = trials, 0
        self.started = self.said_at = time.monotonic()
        self.shown = (0, 0)
        self._bar = ProgressBar("sweep", trials) if is_terminal() else None
        if self._bar is not None:
            self._bar.start()

    def found_done(self, trials: int) -> None:
        """Counts trials that were done before."""
        self.before += trials

    def update(self, done: int, failed: int) -> None:
        """Shows the numbers of trials that were done or have failed since the start."""
        finished = self.before + done + failed
        values = f"failed {failed}" if failed else ""
        if self._bar is not None:
            self._bar.update(finished, values)
            return
        now = time.monotonic()
        is_last = finished == self.trials
        if (done, failed) != self.shown and (is_last or now - self.said_at >= EVERY):
            self.shown, self.said_at = (done, failed), now
            left = (now - self.started) / max(1, done + failed) * (self.trials - finished)
            parts = [f"{finished} of {self.trials} trials", values, f"{duration(left)} left"]
            say("  ".join(filter(None, parts)))

    def print(self, line: str) -> None:
        """Prints a line above the bar."""
        if self._bar is not None:
            self._bar.print(line)
        else:
            say(line)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
