"""Atomic writes: a file is complete or absent, whatever kills the process or the machine."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from guidance.errors import FULL, InputError, OutOfResources
from guidance.texts import encodable

#: Threads that sync files to disk.
SYNCS = 8
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENOENT}


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Converts errors of the operating system about writing into errors of this package.

    Raises:
        OutOfResources: the disk is full.
        InputError: the path is not writable.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise OutOfResources(
                f"{path}: the disk is full; free space, then: guide run --resume {_run_of(path)}"
            ) from error
        if error.errno in FORBIDDEN:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"{path}: cannot be written: {reason}") from error
        raise


def _run_of(path: Path) -> Path:
    """The run folder of a file, for messages."""
    return next((p for p in path.parents if (p / "config.yaml").exists()), path.parent)


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes a file through a temporary one in the same folder, and syncs both to disk."""
    with os_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    return path


def write_text(path: Path, content: str) -> Path:
    """Like `write_bytes`, for text in UTF-8; see `encodable` about names that are not UTF-8."""
    return write_bytes(path, encodable(content).encode())


def move_into(source: Path, target: Path) -> Path:
    """Moves a complete file to its final name, after syncing its content to disk."""
    with os_errors(target):
        with source.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(source, target)
        sync_folder(target.parent)
    return target


def move_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Like `move_into` for many files: all contents are synced first, and each folder once.

    Syncs wait for the disk, so they are done by threads: file systems with a journal then write it
    once for several of them.
    """
    if len(moves) < 2:
        for source, target in moves:
            move_into(source, target)
        return
    with ThreadPoolExecutor(SYNCS) as pool:
        for _ in pool.map(_sync, moves):
            pass
        for source, target in moves:
            with os_errors(target):
                os.replace(source, target)
        folders = dict.fromkeys(target.parent for _, target in moves)
        for _ in pool.map(sync_folder, folders):
            pass


def _sync(move: tuple[Path, Path]) -> None:
    source, target = move
    with os_errors(target), source.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder survive a power cut, if the system supports it."""
    if os.name != "posix":  # Windows cannot open folders; its renames are journaled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
