"""Checkpoints that torch wrote: their content, with descriptions in place of tensors.

`torch.load(weights_only=True)` does not execute code either, but it takes memory for whatever sizes
a file states, and refuses files with the arguments of a training.
"""

from __future__ import annotations

import mmap
import zipfile
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.models.foreign.pickled_tensors import Storage, read_legacy, storage_of
from guidance.models.foreign.pickles import Builders, PickleProblem, read_pickle

#: Bytes of a checkpoint. That of a generator of 1024 pixels with its optimizers has 900 MB.
MAX_FILE = 2**31
#: Bytes of the pickle in an archive, and of the list of the files in it.
MAX_PICKLE, MAX_DIRECTORY = 2**26, 2**24
#: The first bytes of an archive, and of a pickle.
ARCHIVE, PICKLE = b"PK\x03\x04", b"\x80"
#: The end of an archive: the signatures and lengths of its last three records.
RECORD_64, LOCATOR_64, RECORD = (b"PK\x06\x06", 56), (b"PK\x06\x07", 20), (b"PK\x05\x06", 22)


def read_start(path: Path, count: int = 16) -> bytes:
    """The first bytes of a file that is not too large.

    Raises:
        InputError: the file is missing, not a plain file, or too large.
    """
    refuse_special_file(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give the path of a checkpoint")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise InputError(f"{path}: has {size} bytes, more than the {MAX_FILE} that are read")
    with path.open("rb") as file:
        return file.read(count)


def read_pickle_file(path: Path, builders: Builders) -> Any:
    """The object of a file that is one pickle.

    Raises:
        PickleProblem: see `read_pickle`.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return read_pickle(memory, builders)


def read_torch_file(path: Path, builders: Builders) -> Any:
    """The content of a file that torch.save wrote, in its present or its old format.

    Raises:
        PickleProblem: the file is damaged, or its pickle asks for more than data.
    """
    with path.open("rb") as file:
        if file.read(4) == ARCHIVE:
            return _read_archive(file, path.stat().st_size, builders)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return read_legacy(memory, builders)


def _read_archive(file: IO[bytes], size: int, builders: Builders) -> Any:
    _check_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(names) != 1:
                raise PickleProblem("is an archive, but not of torch")
            folder = names[0].removesuffix("data.pkl")
            order = f"{folder}byteorder"
            if order in archive.namelist() and _member(archive, order, 16) != b"little":
                raise PickleProblem("has numbers that are not in little-endian order")
            storages: dict[str, Storage] = {}
            content = read_pickle(
                BytesIO(_member(archive, names[0], MAX_PICKLE)),
                builders,
                lambda key: storage_of(key, storages),
            )
            for key, storage in storages.items():
                bound = storage.count * storage.itemsize
                storage.fill(_member(archive, f"{folder}data/{key}", bound))
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, OSError) as error:
        raise PickleProblem(f"is a damaged archive ({type(error).__name__})") from None
    return content


def _member(archive: zipfile.ZipFile, name: str, bound: int) -> bytes:
    """A file in an archive, which is stored as it is and not larger than expected."""
    found = archive.getinfo(name)
    if found.compress_type != zipfile.ZIP_STORED:
        raise PickleProblem("is a compressed archive, which torch does not write")
    if found.file_size > bound:
        raise PickleProblem("is damaged: a file in it is larger than expected")
    return archive.read(found)


def _check_directory(file: IO[bytes], size: int) -> None:
    """Checks the length of the list of files before Python's reader takes memory for it."""
    length = RECORD_64[1] + LOCATOR_64[1] + RECORD[1]
    file.seek(max(size - length, 0))
    end = file.read(length).rjust(length, b"\0")
    locator, record = RECORD_64[1], RECORD_64[1] + LOCATOR_64[1]
    if end[record : record + 4] != RECORD[0]:
        raise PickleProblem("is an incomplete archive")
    directory = int.from_bytes(end[record + 12 : record + 16], "little")
    if end[locator : locator + 4] == LOCATOR_64[0]:
        directory = int.from_bytes(end[40:48], "little")
    if directory > MAX_DIRECTORY:
        raise PickleProblem("is an archive of too many files")
