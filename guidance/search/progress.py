"""Progress over files: a bar on terminals, a plain line every tenth elsewhere."""

from __future__ import annotations

import time

from guidance.loop.progress import ProgressBar, is_terminal
from guidance.streams import say


class FileProgress:
    """Counts files; a context manager.

    Args:
        title: what is done with them, e.g. "embedding".
        total: the number of files.
    """

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self._started = time.monotonic()
        self._bar = ProgressBar(title, total) if total and is_terminal() else None

    def __enter__(self) -> FileProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        if self._bar is None:
            say(line)
        else:
            self._bar.print(line)

    def advance(self) -> None:
        """Counts one more file."""
        self.done += 1
        rate = self.done / max(1e-9, time.monotonic() - self._started)
        if self._bar is not None:
            self._bar.update(self.done, f"{rate:.0f} a second")
        elif self.done % max(1, self.total // 10) == 0 and self._is_slow():
            left = (self.total - self.done) / rate
            line = f"{self.title}: {self.done} of {self.total}  {rate:.0f} a second"
            say(f"{line}  {left:.0f} s left")

    def _is_slow(self) -> bool:
        """Whether it takes long enough for lines of progress."""
        return time.monotonic() - self._started > 2
