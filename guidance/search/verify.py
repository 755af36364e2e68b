"""Verification of an index: damaged shards, and files that are missing or were changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.models.digest import file_sha256
from guidance.search.items import Item
from guidance.search.manifest import read_manifest
from guidance.search.shards import Shard

#: How far the length of a vector in half precision may be from 1.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: with a shard, or with a file of the index."""

    what: str  # "damaged", "missing" or "changed"
    path: Path
    item: Item | None = None  # None for a shard
    reason: str = ""


def verify(folder: Path, *, content: bool = False) -> Iterator[Problem]:
    """Compares the shards with their hashes, and the files with what was embedded.

    A file whose size or time differs is compared by its content.

    Args:
        folder: of the index.
        content: whether to compare the content of all files.

    Raises:
        InputError: the folder is not an index, or its manifest is damaged.
    """
    manifest = read_manifest(folder)
    for entry in manifest.shards:
        path = folder / entry.file
        try:
            if not path.is_file():
                raise InputError("is missing")
            if file_sha256(path) != entry.sha256:
                raise InputError("its content differs from what was written")
            shard = Shard.open(path, manifest.dimension)
            lengths = np.linalg.norm(shard.vectors.astype(np.float32), axis=1)
            if not (abs(lengths - 1) < TOLERANCE).all():
                raise InputError("has vectors that are no unit vectors")
            items = shard.items
        except InputError as error:
            yield Problem("damaged", path, reason=str(error).removeprefix(f"{path}: "))
            continue
        yield from (problem for item in items if (problem := _problem(item, content)))


def _problem(item: Item, content: bool) -> Problem | None:
    path = Path(item.path)
    with contextlib.suppress(OSError, InputError):
        refuse_special_file(path)
        status = path.stat()
        same = (status.st_size, status.st_mtime_ns) == (item.size, item.modified)
        if same and not content:
            return None
        if status.st_size == item.size and file_sha256(path) == item.sha256:
            return None
        return Problem("changed", path, item)
    return Problem("missing", path, item)


def healed(folder: Path) -> int:
    """Removes damaged shards from an index, so that `add` embeds their files again.

    The caller holds the lock. Returns how many were removed.
    """
    from dataclasses import replace

    from guidance.search.store import clean

    manifest = read_manifest(folder)
    bad = {problem.path.name for problem in verify(folder) if problem.what == "damaged"}
    if bad:
        kept = tuple(entry for entry in manifest.shards if entry.file not in bad)
        after = replace(manifest, shards=kept)
        after.write(folder)
        clean(folder, after)
    return len(bad)
