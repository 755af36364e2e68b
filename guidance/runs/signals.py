"""SIGINT and SIGTERM: the first stops the run after the current step, the second at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

SECOND_SIGNAL = 130


class Signals:
    """While entered, the first SIGINT or SIGTERM only sets `requested`.

    Outside the main thread, where Python delivers no signals, this does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            # No clean-up is needed: the files on disk are complete at any time.
            os._exit(SECOND_SIGNAL)
        self.requested = True
        # Bypasses Python's buffers, which may be in use at this moment.
        os.write(
            sys.__stderr__.fileno() if sys.__stderr__ else 2,
            b"\nstopping after this step; repeat to stop at once\n",
        )
