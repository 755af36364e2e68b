"""The progress of a training run: the time of its steps, without pauses."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LONGEST_STEP_SECONDS = 5.0  # a step that took longer was interrupted; only this much is counted


@dataclass
class Clock:
    """A schedule in minutes of training; a slower machine makes fewer steps in it."""

    minutes: float
    spent_seconds: float = 0.0
    step: int = 0

    @property
    def progress(self) -> float:
        """Share of the minutes spent."""
        return min(1.0, self.spent_seconds / (60 * self.minutes))

    @property
    def rate(self) -> float:
        """Factor on the learning rate: a warm-up of a hundred steps, then a cosine to 2%."""
        warm = min(1.0, (self.step + 1) / 100)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.progress)))

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Counts the block as one step, without the time that other processes took."""
        began = time.monotonic(), time.process_time()
        yield
        wall, own = time.monotonic() - began[0], time.process_time() - began[1]
        self.step += 1
        self.spent_seconds += min(LONGEST_STEP_SECONDS, wall, own)
