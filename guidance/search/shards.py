"""Shards of an index: safetensors files with vectors in half precision, mapped into memory.

A shard has `v` vectors of `f` files:

    vectors  float16 [v, d]   unit vectors
    rows     int64   [v]      the number of each vector, increasing; never used again
    owners   int32   [v]      which of the files a vector belongs to, in their order
    spans    float32 [v, 2]   start and end in seconds, of videos
    offsets  int64   [f + 1]  where the line about each file begins
    lines    uint8   [bytes]  a line of JSON about each file; see `guidance.search.items`
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from guidance.errors import InputError
from guidance.models.foreign.tensors import read_header
from guidance.search.items import Embedded, Item

#: Vectors of one shard: 64 MB with 512 numbers each. Removing a file writes its shard again.
MAX_VECTORS = 65_536
#: Numbers of one vector. The widest encoder of open_clip has 1,280.
MAX_DIMENSION = 8192
TYPES = {"F16": np.float16, "F32": np.float32, "I32": np.int32, "I64": np.int64, "U8": np.uint8}
EXPECTED = {
    "vectors": ("F16", 2),
    "rows": ("I64", 1),
    "owners": ("I32", 1),
    "spans": ("F32", 2),
    "offsets": ("I64", 1),
    "lines": ("U8", 1),
}


@dataclass(frozen=True)
class Shard:
    """A shard, whose arrays are read from disk when they are used."""

    path: Path
    vectors: np.ndarray
    rows: np.ndarray
    owners: np.ndarray
    spans: np.ndarray
    offsets: np.ndarray
    lines: np.ndarray

    @classmethod
    def open(cls, path: Path, dimension: int) -> Shard:
        """Maps a shard into memory.

        Raises:
            InputError: the file is missing, incomplete, or its arrays do not fit together.
        """
        header = read_header(path)
        found = {name: (x.dtype, len(x.shape)) for name, x in header.items()}
        if found != EXPECTED:
            raise InputError(f"{path}: is not a shard of a search index")
        shapes = {name: x.shape for name, x in header.items()}
        count, files = shapes["vectors"][0], shapes["offsets"][0] - 1
        fits = (
            shapes["vectors"][1] == dimension
            and shapes["rows"] == shapes["owners"] == (count,)
            and shapes["spans"] == (count, 2)
            and 0 < files <= count <= MAX_VECTORS
        )
        if not fits:
            raise InputError(f"{path}: its arrays do not fit together; build the index again")
        shard = cls(path, **_mapped(path))
        shard._check()
        return shard

    def _check(self) -> None:
        """Checks the small arrays. Raises InputError."""
        files = len(self.offsets) - 1
        ordered = (np.diff(self.rows) > 0).all() and (np.diff(self.offsets) > 0).all()
        inside = self.offsets[0] == 0 and self.offsets[-1] == len(self.lines)
        every = np.array_equal(np.unique(self.owners), np.arange(files))
        if not ordered or not inside or not every or (np.diff(self.owners) < 0).any():
            raise InputError(f"{self.path}: its arrays contradict each other; build it again")

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, owner: int) -> Item:
        """The file of a number in `owners`."""
        start, stop = int(self.offsets[owner]), int(self.offsets[owner + 1])
        return Item.parse(self.lines[start:stop].tobytes(), self.path)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All files of the shard."""
        return tuple(self.item(owner) for owner in range(len(self.offsets) - 1))

    def one(self, owner: int) -> Embedded:
        """A file with its vectors, by its number in `owners`."""
        start, stop = np.searchsorted(self.owners, (owner, owner + 1))
        mine = slice(int(start), int(stop))
        return Embedded(self.item(owner), self.vectors[mine], self.spans[mine])

    def embedded(self) -> Iterator[Embedded]:
        """All files with their vectors."""
        return map(self.one, range(len(self.offsets) - 1))


def pack(files: Sequence[Embedded], rows: np.ndarray) -> bytes:
    """The content of a shard with these files; `rows` are the numbers of their vectors."""
    from safetensors.numpy import save

    lines = [each.item.line() for each in files]
    counts = [len(each.vectors) for each in files]
    return save(
        {
            "vectors": np.ascontiguousarray(np.concatenate([each.vectors for each in files])),
            "rows": np.ascontiguousarray(rows, np.int64),
            "owners": np.repeat(np.arange(len(files), dtype=np.int32), counts),
            "spans": np.concatenate([each.spans for each in files]).astype(np.float32),
            "offsets": np.cumsum([0, *map(len, lines)], dtype=np.int64),
            "lines": np.frombuffer(b"".join(lines), np.uint8),
        }
    )


def without(shard: Shard, ids: Collection[int]) -> tuple[list[Embedded], np.ndarray]:
    """The files of a shard that are not among these, and the numbers of their vectors."""
    kept = [each for each in shard.embedded() if each.item.id not in ids]
    owners = [owner for owner, item in enumerate(shard.items) if item.id not in ids]
    return kept, np.asarray(shard.rows[np.isin(shard.owners, owners)])


def _mapped(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file whose header is checked, without reading them."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    whole = np.memmap(path, np.uint8, "r")
    arrays = {}
    for name in EXPECTED:
        entry = header[name]
        begin, end = (8 + length + at for at in entry["data_offsets"])
        arrays[name] = whole[begin:end].view(TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays
