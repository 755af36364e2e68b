"""Standard output and standard error that may be closed, full, or read by nobody.

Progress and notes that cannot be written are given up: a run of hours must not end because the
terminal or the reader of a pipe has gone. The command line asks `Streams.failure` at its end
whether its results were written.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from types import TracebackType
from typing import TextIO

from guidance.texts import printable

STDIN, STDOUT, STDERR = 0, 1, 2


#: Moves to the start of the line of a terminal and erases it.
ERASE = "\r\033[K"
#: What `say_meanwhile` shows at the moment.
_shown: list[str] = []


def say(line: str) -> None:
    """Prints a line on standard error; nothing happens if it cannot be written."""
    erase = ERASE if _shown else ""
    _shown.clear()
    _print(f"{erase}{printable(line)}\n")


def say_meanwhile(line: str) -> None:
    """Shows a line on a terminal until something else is printed."""
    if _on_terminal():
        _shown.append(line)
        _print(f"{printable(line)}\r")


def _print(text: str) -> None:
    if sys.stderr is not None:  # None if it was closed when the process started
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed by the program
            print(text, end="", file=sys.stderr, flush=True)


def _on_terminal() -> bool:
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


class _Raw(io.RawIOBase):
    """Writes to a file descriptor. After the first failure, everything is dropped silently."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.was_terminal = os.isatty(descriptor)  # one that has been closed is none any more
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def write(self, content: object) -> int:
        view = memoryview(content)  # type: ignore[arg-type]
        if self.failure is None:
            try:
                return os.write(self.descriptor, view)
            except BlockingIOError:
                select.select([], [self.descriptor], [])  # until a reader has taken something
                return 0
            except OSError as error:
                self.failure = error
        return view.nbytes


class _Text(io.TextIOWrapper):
    """Text on a terminal is printed without control characters."""

    def write(self, text: str) -> int:
        return super().write(printable(text) if self.isatty() else text)


class Streams:
    """While entered, `sys.stdout` and `sys.stderr` are streams that never raise.

    Streams that a caller has replaced already, as pytest does, stay as they are.
    """

    def __init__(self) -> None:
        self._before: dict[str, TextIO | None] = {}
        self._stdout: _Raw | None = None

    def __enter__(self) -> Streams:
        _open_closed_descriptors()
        if sys.stdout is sys.__stdout__:
            self._stdout = self._replace("stdout", STDOUT)
        if sys.stderr is sys.__stderr__:
            self._replace("stderr", STDERR)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, stream in self._before.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)

    def failure(self) -> str | None:
        """Why standard output could not be written; None if it was, or if its reader has gone."""
        sys.stdout.flush()
        if self._stdout is None or self._stdout.was_terminal:
            return None
        failed = self._stdout.failure
        if failed is None or failed.errno == errno.EPIPE:
            return None
        return (failed.strerror or str(failed)).lower()

    def _replace(self, name: str, descriptor: int) -> _Raw:
        before: TextIO | None = getattr(sys, name)
        if before is not None:
            before.flush()
        raw = _Raw(descriptor)
        encoding = "utf-8" if before is None else before.encoding
        if name == "stdout":
            made = _Text(io.BufferedWriter(raw), encoding, "guidance", line_buffering=raw.isatty())
        else:
            made = io.TextIOWrapper(  # type: ignore[assignment]
                io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=True
            )
        self._before[name] = before
        setattr(sys, name, made)
        return raw


def _open_closed_descriptors() -> None:
    """Opens the null device for closed standard streams.

    Otherwise the next file that is opened, a checkpoint for instance, would get the number of
    standard output or standard error, and whatever a library prints would be written into it.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)


def _unencodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Writes the bytes of names that are not UTF-8 as they are, and "?" for other characters.

    A path on standard output thus remains the path of the file, for programs that read it.
    """
    assert isinstance(error, UnicodeEncodeError)
    part = error.object[error.start : error.end]
    try:
        if "a".encode(error.encoding) == b"a":
            return part.encode("ascii", "surrogateescape"), error.end
    except (UnicodeError, LookupError):
        pass
    return "?" * len(part), error.end


codecs.register_error("guidance", _unencodable)
