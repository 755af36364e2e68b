"""SIGINT (Ctrl-C), SIGTERM, and SIGHUP, which arrives when the terminal is closed.

| when                                    | the first signal             | the second |
|-----------------------------------------|------------------------------|------------|
| a new run, before its first step        | ends at once: 130            |            |
| a resumed run, before it continues      | ends at once: 75             |            |
| during the steps                        | checkpoint after the step: 75 | at once: 130 |
| while results are written               | after the current file: 75   | at once: 130 |
| from the writing of DONE.json on        | ignored: 0                   | ignored: 0 |
| other commands                          | ends: 130                    |            |

Files on disk are complete at any time, so a process can be ended at once. SIGHUP is ignored if it
was when the process started, as under nohup; and it is never the second signal, because it may
arrive twice, from the system and from the shell.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

AT_ONCE, RESUMABLE = 130, 75
HANGUP = getattr(signal, "SIGHUP", None)  # None on Windows
NUMBERS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if HANGUP is not None and signal.getsignal(HANGUP) is not signal.SIG_IGN:
    NUMBERS += (HANGUP,)


class _Process:
    """Whether this process is a command line, whose handlers stay until it ends."""

    is_ours = False


def own_process() -> None:
    """Lets both signals end a command as Ctrl-C does; for the process of the command line only.

    Later handlers stay as well: a signal that arrives between the end of a run and the end of its
    process must not change the exit code.
    """
    _Process.is_ours = True
    _handle(_raise)
    # When Python ends, it gives handled signals their default action back, which is death by 143.
    atexit.register(_handle, signal.SIG_IGN)


def before_run(folder: Path | None) -> None:
    """Lets both signals end the process at once, until a run begins.

    Python libraries that are just being imported may lose an exception, so none is raised.

    Args:
        folder: of the run that is resumed.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if folder is None:
            _print("guide: stopped before the run began; nothing was written")
            os._exit(AT_ONCE)
        _print(f"guide: stopped; nothing was changed; resume with: guide run --resume {folder}")
        os._exit(RESUMABLE)

    if _Process.is_ours:
        _handle(end)


def after_run() -> None:
    """Lets a process that has nothing left to do end with its own exit code."""
    if _Process.is_ours:
        _handle(signal.SIG_IGN)


class Signals:
    """While entered, the first signal only sets `requested`; the second ends the process.

    Outside the main thread, where Python delivers no signals, this does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        self._before = {number: signal.getsignal(number) for number in NUMBERS}
        _handle(self._arrived)
        return self

    def ignore(self) -> None:
        """Ignores signals from now on; those that arrived before are still `requested`."""
        _handle(signal.SIG_IGN)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not _Process.is_ours and _in_main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            if number == HANGUP:
                return
            os._exit(AT_ONCE)
        self.requested = True
        _print("stopping after this step; repeat to stop at once")


def _handle(handler: Any) -> None:
    if _in_main_thread():
        for number in NUMBERS:
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    if _is_importing(frame):  # a library that is being imported may lose an exception, or abort
        _print("guide: stopped")
        os._exit(AT_ONCE)
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _print(line: str) -> None:
    """Bypasses Python's buffers, which may be in use at this moment."""
    with contextlib.suppress(OSError, ValueError):
        handle = sys.__stderr__.fileno() if sys.__stderr__ else 2
        os.write(handle, b"\n" + line.encode("utf-8", "backslashreplace") + b"\n")
