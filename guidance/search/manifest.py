"""The manifest of an index, `index.json`: its encoder and its shards.

It is replaced as a whole, and that is the only moment at which an index changes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.runs.json_records import read_record, write_record
from guidance.runs.origin import code_of, same_origin
from guidance.search.shards import MAX_DIMENSION, MAX_VECTORS

NAME, LOCK, FORMAT = "index.json", ".lock", "guidance search index"
SHARD = re.compile(r"shard-\d{6,12}\.safetensors", re.ASCII)
KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
MAX_SHARDS = 20_000

#: Encoders in folders of the user.
LOCAL = "local-dir:"


@dataclass(frozen=True)
class EncoderId:
    """The encoder of an index: its name, and a digest of its weights and configuration."""

    name: str
    digest: str


@dataclass(frozen=True)
class ShardEntry:
    """A shard, by its name in the folder of the index."""

    file: str
    vectors: int
    files: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What `index.json` contains."""

    key: str  # a random name of the index
    encoder: EncoderId
    dimension: int
    shards: tuple[ShardEntry, ...] = ()
    next_row: int = 0  # numbers of vectors, files and shards from here on are free
    next_item: int = 1
    next_shard: int = 1
    origin: str = ""  # shows that this user chose the encoder, for this folder

    @classmethod
    def new(cls, encoder: EncoderId, dimension: int, folder: Path) -> Manifest:
        """The manifest of an empty index in a folder."""
        origin = code_of(folder, encoder.name) or ""
        return cls(secrets.token_hex(16), encoder, dimension, origin=origin)

    def chooses_folder(self, folder: Path) -> bool:
        """Whether the encoder is a folder, in an index that this user did not make here."""
        is_local = self.encoder.name.startswith(LOCAL)
        return is_local and not same_origin(self.origin, code_of(folder, self.encoder.name))

    @property
    def vectors(self) -> int:
        return sum(entry.vectors for entry in self.shards)

    @property
    def files(self) -> int:
        return sum(entry.files for entry in self.shards)

    def write(self, folder: Path) -> Path:
        """Replaces the manifest of a folder."""
        return write_record(folder / NAME, {"format": FORMAT, **asdict(self)})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an index.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(
            f"{folder}: is not a search index; make one: guide search build {folder} FOLDER"
        )
    stored = read_record(path, "build the index again, in another folder")
    if stored.get("format") != FORMAT:
        raise InputError(f"{path}: is not the manifest of a search index")
    try:
        found = _parsed(stored)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: is damaged; build the index again, in another folder") from None
    if found.chooses_folder(folder):
        raise InputError(
            f"{folder}: names {found.encoder.name!r:.80}, but an index that was made or moved from "
            "elsewhere cannot choose folders; build it again"
        )
    return found


def _parsed(stored: Mapping[str, Any]) -> Manifest:
    """Raises KeyError, TypeError or ValueError where a value is not as written."""
    encoder = EncoderId(**stored["encoder"])
    shards = tuple(ShardEntry(**entry) for entry in stored["shards"])
    numbers = [stored[key] for key in ("dimension", "next_row", "next_item", "next_shard")]
    numbers += [number for entry in shards for number in (entry.vectors, entry.files)]
    valid = (
        all(type(number) is int and 0 <= number < 2**62 for number in numbers)
        and 0 < stored["dimension"] <= MAX_DIMENSION
        and len(shards) <= MAX_SHARDS
        and all(0 < entry.files <= entry.vectors <= MAX_VECTORS for entry in shards)
        and all(SHARD.fullmatch(entry.file) and DIGEST.fullmatch(entry.sha256) for entry in shards)
        and len({entry.file for entry in shards}) == len(shards)
        and KEY.fullmatch(stored["key"])
        and (not stored["origin"] or DIGEST.fullmatch(stored["origin"]))
        and DIGEST.fullmatch(encoder.digest)
        and 0 < len(encoder.name) < 1000
    )
    if not valid:
        raise ValueError
    row, item, shard = numbers[1:4]
    return Manifest(stored["key"], encoder, numbers[0], shards, row, item, shard, stored["origin"])
