"""The words after `guide search`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guidance.commands.arguments import Arguments, number
from guidance.commands.style_request import whole
from guidance.errors import InputError
from guidance.search.items import Item

BACKENDS = ("exact", "usearch", "qdrant")


@dataclass(frozen=True)
class BuildRequest:
    """The arguments of `guide search build` and `add`."""

    index: Path
    places: tuple[Path, ...]
    encoder: str | None
    device: str


@dataclass(frozen=True)
class RemoveRequest:
    """The arguments of `guide search remove`."""

    index: Path
    files: tuple[str, ...]
    missing: bool

    def ids(self, items: Sequence[Item]) -> list[int]:
        """The ids of the files to remove; a folder stands for all files in it.

        Raises:
            InputError: a file is not in the index.
        """
        found = [item.id for item in items if self.missing and not Path(item.path).exists()]
        for file in self.files:
            path = os.path.abspath(file)
            mine = [i.id for i in items if i.path == path or i.path.startswith(path + os.sep)]
            if not mine and file.isdecimal():
                mine = [item.id for item in items if item.id == int(file)]
            if not mine:
                raise InputError(f"{self.index}: has no file {file!a:.200}; give a path or an id")
            found += mine
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class QueryRequest:
    """The arguments of `guide search query`."""

    index: Path
    prompts: tuple[str, ...]
    negative: tuple[str, ...]
    region: tuple[str, ...]
    templates: str
    count: int
    least: float | None
    json: bool
    page: Path | None
    copy: Path | None
    commands: bool
    backend: str
    server: str | None
    device: str


@dataclass(frozen=True)
class VerifyRequest:
    """The arguments of `guide search verify`."""

    index: Path
    content: bool
    heal: bool
    json: bool


@dataclass(frozen=True)
class DedupeRequest:
    """The arguments of `guide search dedupe`."""

    index: Path
    least: float
    drop: bool
    json: bool


def parse_build(words: Sequence[str]) -> BuildRequest:
    """Reads the words after `guide search build` and `add`. Raises InputError."""
    parser = _parser()
    parser.add_argument("places", nargs="+", type=Path, metavar="PLACE")
    parser.add_argument("--encoder")
    parser.add_argument("--device", default="auto")
    found = parser.parse_intermixed_args(list(words))
    return BuildRequest(found.index, tuple(found.places), found.encoder, found.device)


def parse_remove(words: Sequence[str]) -> RemoveRequest:
    """Reads the words after `guide search remove`. Raises InputError."""
    parser = _parser()
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--missing", action="store_true")
    found = parser.parse_intermixed_args(list(words))
    if not found.files and not found.missing:
        raise InputError("search: remove needs files or --missing")
    return RemoveRequest(found.index, tuple(found.files), found.missing)


def parse_query(words: Sequence[str]) -> QueryRequest:
    """Reads the words after `guide search query`. Raises InputError."""
    parser = _parser()
    parser.add_argument("prompts", nargs="+", metavar="PROMPT")
    for name in ("negative", "region"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--templates", default="default")
    parser.add_argument("--count", type=whole, default=20)
    parser.add_argument("--least", type=number)
    for name in ("json", "commands"):
        parser.add_argument(f"--{name}", action="store_true")
    for name in ("page", "copy"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0])
    parser.add_argument("--server")
    parser.add_argument("--device", default="cpu")
    found = vars(parser.parse_intermixed_args(list(words)))
    found.pop("_given", None)
    lists = {name: tuple(found[name]) for name in ("prompts", "negative", "region")}
    request = QueryRequest(**{**found, **lists})
    if request.count < 1:
        raise InputError(f"search: --count {request.count}: expected at least 1")
    if request.server is not None and request.backend != "qdrant":
        raise InputError("search: --server belongs to --backend qdrant")
    return request


def parse_verify(words: Sequence[str]) -> VerifyRequest:
    """Reads the words after `guide search verify`. Raises InputError."""
    parser = _parser()
    for name in ("content", "heal", "json"):
        parser.add_argument(f"--{name}", action="store_true")
    found = parser.parse_intermixed_args(list(words))
    return VerifyRequest(found.index, found.content, found.heal, found.json)


def parse_dedupe(words: Sequence[str]) -> DedupeRequest:
    """Reads the words after `guide search dedupe`. Raises InputError."""
    parser = _parser()
    parser.add_argument("--least", type=number, default=0.985)
    for name in ("drop", "json"):
        parser.add_argument(f"--{name}", action="store_true")
    found = parser.parse_intermixed_args(list(words))
    if not 0 < found.least <= 1:
        raise InputError(f"search: --least {found.least:g}: expected a cosine above 0 and up to 1")
    return DedupeRequest(found.index, found.least, found.drop, found.json)


def _parser() -> Arguments:
    parser = Arguments("search")
    parser.add_argument("index", type=Path, metavar="INDEX")
    return parser
