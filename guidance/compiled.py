"""Functions compiled by numba, with a cache on disk that only its owner can write.

numba's cache consists of pickles. It therefore lies in the user's cache folder, never in a run
folder or beside weights; a file is only unpickled if the folder belongs to the user and the file
begins with the hash of its content. Anything else is compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

Function = Callable[..., Any]
DIGEST = 32


def compiled(function: Function, **options: Any) -> Function:
    """Compiles a function on its first call; later processes find the code in the cache.

    Without a cache folder that belongs to the user, each process compiles again. The environment
    variable NUMBA_CACHE_DIR names another folder.

    Args:
        options: of `numba.njit`.
    """
    # Under pytest, functions are wrapped to check their annotations; numba needs the original.
    plain = inspect.unwrap(function)
    made = numba.njit(**options)(plain)
    folder = _own_folder()
    if folder is not None:
        with _cached_in(folder):
            made._cache = _Cache(plain)
    return made  # type: ignore[no-any-return]


class _Cache(FunctionCache):
    """A cache that is not used where it cannot be read or written."""

    def __init__(self, function: Function) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _HashedFiles(self._cache_path, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with contextlib.suppress(OSError):
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):  # the disk is full, for example
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


class _HashedFiles(IndexDataCacheFile):
    """The index and the code of a function, each in a file that begins with its SHA-256."""

    def _load_index(self) -> dict[Any, str]:
        found = _read(self._index_path)
        if found is None:
            return {}
        version, stamp, overloads = found
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        path: str = self._data_path(name)  # type: ignore[no-untyped-call]
        return _read(path)  # None: compiled anew

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)  # type: ignore[no-untyped-call]

    def _write(self, path: str, value: Any) -> None:
        content = self._dump(value)  # type: ignore[no-untyped-call]
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)


def _read(path: str) -> Any:
    """The value in a file; None if there is none, or it is not as it was written."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    digest, rest = content[:DIGEST], content[DIGEST:]
    # Safe to unpickle: written by this class, in a folder that nobody else can write.
    return pickle.loads(rest) if hashlib.sha256(rest).digest() == digest else None


def _own_folder() -> Path | None:
    """The cache folder; None if it cannot be created, or others could write into it."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(given) if given else Path(home) / "guidance" / "numba"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    if os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        return None
    return folder


@contextlib.contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Numba's setting of the cache folder, for the functions of this package only."""
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before
