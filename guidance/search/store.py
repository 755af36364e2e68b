"""The folder of an index: reading its shards, and changing them so that a kill leaves it valid.

A change writes new shards under new names, then replaces the manifest, then removes the shards that
no manifest names. Whatever ends the process, the manifest names complete files.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from guidance.errors import InputError
from guidance.runs.atomic import os_errors, write_bytes
from guidance.search.items import Embedded, Item
from guidance.search.manifest import LOCK, EncoderId, Manifest, ShardEntry, read_manifest
from guidance.search.shards import MAX_VECTORS, Shard, pack, without

#: Shards, and the temporary files of atomic writes.
OWN = re.compile(r"shard-\d+\.safetensors|\..+\.tmp", re.ASCII)
#: How often a reader starts again because a writer has replaced the files meanwhile.
ATTEMPTS = 5


@dataclass(frozen=True)
class Store:
    """One state of an index: its manifest, and its shards in memory maps."""

    folder: Path
    manifest: Manifest
    shards: tuple[Shard, ...]

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Opens an index for reading.

        Raises:
            InputError: it is not an index, or it is damaged.
        """
        for attempt in range(ATTEMPTS):
            manifest = read_manifest(folder)
            try:
                return cls(folder, manifest, _shards(folder, manifest))
            except InputError:
                if attempt + 1 == ATTEMPTS or read_manifest(folder) == manifest:
                    raise
        raise AssertionError  # the last attempt returns or raises

    @classmethod
    def create(cls, folder: Path, encoder: EncoderId, dimension: int) -> Store:
        """Makes an empty index.

        Raises:
            InputError: the folder is not writable, or it contains other files.
        """
        with os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            others = [each.name for each in folder.iterdir() if not _is_ours(each.name)]
        if others:
            raise InputError(
                f"{folder}: is not empty ({others[0]!a:.80}); name a new folder for the index"
            )
        manifest = Manifest.new(encoder, dimension, folder)
        manifest.write(folder)
        return cls(folder, manifest, ())

    def __len__(self) -> int:
        """The number of vectors."""
        return self.manifest.vectors

    @cached_property
    def starts(self) -> np.ndarray:
        """The position of the first vector of each shard among all, and their number: int64."""
        return np.cumsum([0, *map(len, self.shards)])

    def items(self) -> Iterator[Item]:
        """All files, in the order of their ids within each shard."""
        for shard in self.shards:
            yield from shard.items

    @cached_property
    def owners(self) -> dict[int, tuple[Shard, int]]:
        """The shard and the number there of each file, by its id."""
        return {
            item.id: (shard, owner)
            for shard in self.shards
            for owner, item in enumerate(shard.items)
        }

    def place(self, position: int) -> tuple[Shard, int]:
        """The shard of a vector, and its index there, by its position among all vectors."""
        number = int(np.searchsorted(self.starts, position, "right")) - 1
        return self.shards[number], position - int(self.starts[number])

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """The positions of vectors by their numbers (int64); -1 for those that are not there."""
        every = np.concatenate([np.empty(0, np.int64), *(shard.rows for shard in self.shards)])
        order = np.argsort(every, kind="stable")
        at = np.minimum(np.searchsorted(every[order], rows), max(0, len(every) - 1))
        return np.where(every[order][at] == rows, order[at], -1) if len(every) else rows * 0 - 1

    def changed(self, add: Sequence[Embedded] = (), remove: Collection[int] = ()) -> Store:
        """The index without the files of some ids and with others, written to disk at once.

        The caller holds `locked`, and takes the ids of new files from `manifest.next_item`.
        """
        manifest, entries, shards = self.manifest, list(self.manifest.shards), list(self.shards)
        number, row = manifest.next_shard, manifest.next_row
        for index, shard in enumerate(self.shards):
            if any(item.id in remove for item in shard.items):
                kept = without(shard, remove)
                if kept[0]:
                    entries[index], shards[index] = self._written(number, *kept)
                    number += 1
                else:
                    entries[index] = None  # type: ignore[call-overload]
        pairs = [(e, s) for e, s in zip(entries, shards, strict=True) if e is not None]
        for group in _groups(add, pairs[-1][0].vectors if pairs else MAX_VECTORS):
            files = list(group)
            fresh = np.arange(row, row + sum(len(each.vectors) for each in files))
            row += len(fresh)
            last = pairs[-1] if pairs else None
            if last is not None and last[0].vectors + len(fresh) <= MAX_VECTORS:
                pairs.pop()
                fresh = np.concatenate([last[1].rows, fresh])
                files = [*last[1].embedded(), *files]
            pairs.append(self._written(number, files, fresh))
            number += 1
        ids = (manifest.next_item, *(each.item.id + 1 for each in add))
        after = replace(
            manifest,
            shards=tuple(entry for entry, _ in pairs),
            next_row=row,
            next_item=max(ids),
            next_shard=number,
        )
        after.write(self.folder)
        clean(self.folder, after)
        return Store(self.folder, after, tuple(shard for _, shard in pairs))

    def _written(
        self, number: int, files: Sequence[Embedded], rows: np.ndarray
    ) -> tuple[ShardEntry, Shard]:
        content = pack(files, rows)
        path = self.folder / f"shard-{number:06}.safetensors"
        write_bytes(path, content)
        entry = ShardEntry(path.name, len(rows), len(files), sha256(content).hexdigest())
        return entry, Shard.open(path, self.manifest.dimension)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of an index, while it is changed.

    Raises:
        InputError: another process is changing the index.
    """
    from filelock import FileLock, Timeout

    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / LOCK)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{folder}: is being changed by another process; wait until it ends"
        ) from None
    try:
        yield
    finally:
        held.release()


def clean(folder: Path, manifest: Manifest) -> None:
    """Removes shards that the manifest does not name, and what interrupted writes have left."""
    named = {entry.file for entry in manifest.shards}
    for path in folder.iterdir():
        if OWN.fullmatch(path.name) and path.name not in named:
            with contextlib.suppress(OSError):  # on Windows, a reader may still have it open
                path.unlink()


def _is_ours(name: str) -> bool:
    return name == LOCK or OWN.fullmatch(name) is not None


def _shards(folder: Path, manifest: Manifest) -> tuple[Shard, ...]:
    shards = []
    for entry in manifest.shards:
        shard = Shard.open(folder / entry.file, manifest.dimension)
        if len(shard) != entry.vectors:
            raise InputError(
                f"{shard.path}: has {len(shard)} vectors, the manifest says {entry.vectors}; run: "
                f"guide search verify {folder}"
            )
        shards.append(shard)
    return tuple(shards)


def _groups(files: Sequence[Embedded], filled: int) -> Iterator[list[Embedded]]:
    """Files in groups that fit into one shard; the first fits behind `filled` vectors."""
    group: list[Embedded] = []
    count = filled
    for each in files:
        if group and count + len(each.vectors) > MAX_VECTORS:
            yield group
            group, count = [], 0
        elif not group and count + len(each.vectors) > MAX_VECTORS:
            count = 0
        group.append(each)
        count += len(each.vectors)
    if group:
        yield group
