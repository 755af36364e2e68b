"""Child processes that run the command line, forked from this warm process or started anew.

Starting Python and importing torch takes seconds, so most children are forked from a process that
has imported everything. A forked child runs `guidance.cli.main` with its own stdout and stderr, and
ends with its exit code.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[3]
#: Seconds after which a child is killed and counted as hanging.
PATIENCE = 120.0
CRASHED = 1


@dataclass(frozen=True)
class Ended:
    """A child that has ended."""

    code: int  # the exit code; negative: the number of the signal that ended it
    output: str
    errors: str
    seconds: float
    cpu_seconds: float
    megabytes: float  # peak of its memory above that of the process it was forked from

    @property
    def last_line(self) -> str:
        """The last line of stderr."""
        lines = self.errors.strip().splitlines()
        return lines[-1][:300] if lines else ""

    def said(self) -> str:
        """Exit code and last line, for faults."""
        return f"exit {self.code}: {self.last_line}"

    def complaint(self, *codes: int) -> str:
        """What is wrong with how it ended, if it should have ended with one of these codes.

        Any code but 0 needs exactly one line that begins with `guide:` and comes last.
        """
        if "Traceback (most recent call last)" in self.errors:
            frames = [line.strip() for line in self.errors.splitlines() if "  File " in line]
            return f"a traceback, {self.said()} at {frames[-1:]}"
        if self.code not in codes:
            return f"expected exit {' or '.join(map(str, codes))}, got {self.said()}"
        if any(ord(letter) < 32 and letter not in "\n\t" for letter in self.errors):
            return f"control characters in its message, {self.said()!r}"
        if self.code > 0 and not self.last_line.startswith("guide: "):
            return f"no line of its own, {self.said()}"
        return ""


class Child:
    """A child that runs, with files that catch what it writes."""

    def __init__(self, pid: int, output: BinaryIO, errors: BinaryIO) -> None:
        self.pid, self._output, self._errors = pid, output, errors
        self.began = time.monotonic()
        self._held = _megabytes_held()

    def send(self, number: int) -> None:
        """Sends a signal; a child that has ended meanwhile is not there to receive it."""
        os.kill(self.pid, number)  # it is a zombie at least until `wait`, so the id is its own

    def written(self) -> str:
        """What it has written to stdout so far."""
        return _content(self._output)

    def poll(self) -> bool:
        """Whether it has ended; its status is left for `wait`."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, patience: float = PATIENCE) -> Ended:
        """Waits for its end; kills it with SIGALRM when it takes too long."""
        give_up = self.began + patience
        pause = 0.001
        while not self.poll():
            if time.monotonic() > give_up:
                self.send(signal.SIGKILL)
                break
            time.sleep(pause)
            pause = min(0.02, 1.5 * pause)
        _, status, usage = os.wait4(self.pid, 0)
        seconds = time.monotonic() - self.began
        code = os.waitstatus_to_exitcode(status)
        peak = max(0.0, usage.ru_maxrss / 1024 - self._held)
        cpu = usage.ru_utime + usage.ru_stime
        ended = Ended(
            code, _content(self._output), _content(self._errors), seconds, cpu, round(peak, 1)
        )
        self._output.close()
        self._errors.close()
        return ended


def fork(work: Callable[[], int]) -> Child:
    """Forks a child that does this work, and ends with the code that it returns."""
    output, errors = _catching(), _catching()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, output, errors)
    code = CRASHED
    try:
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else CRASHED
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or CRASHED
        os._exit(code)


def guide(words: Sequence[str], prepare: Callable[[], object] = lambda: None) -> Child:
    """Forks a child that runs `guide` with these words.

    Args:
        prepare: what the child does first, e.g. set a limit or inject a failure.
    """

    def work() -> int:
        from guidance.cli import main

        prepare()
        main(list(words))
        return 0

    return fork(work)


def start(words: Sequence[str], *, code: str = "", env: dict[str, str] | None = None) -> Child:
    """Starts `guide` in a new interpreter, as users do.

    Args:
        code: Python code that runs before it, in the same process.
        env: added to the environment.
    """
    output, errors = _catching(), _catching()
    begin = ["-m", "guidance"]
    if code:
        begin = ["-c", f"{code}\nfrom guidance.cli import main\nmain()"]
    process = subprocess.Popen(
        [sys.executable, *begin, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
    )
    process.returncode = 0  # `Child.wait` collects it; Popen must not try as well
    return Child(process.pid, output, errors)


def _catching() -> BinaryIO:
    """A file without a name; `Child.wait` closes it."""
    return tempfile.TemporaryFile()


def _content(file: BinaryIO) -> str:
    """What a file holds; its offset, which the child shares, is not moved."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="backslashreplace")


def _megabytes_held() -> float:
    """Memory of this process, most of which a forked child shares."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
