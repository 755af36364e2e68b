"""The files of an index: what is stored about each, and the vectors of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.texts import encodable

IMAGE, VIDEO = "image", "video"
#: Bytes of the line that is stored about a file. A path of Linux has at most 4,096.
MAX_LINE = 32_768


@dataclass(frozen=True)
class Item:
    """An image or a video of an index."""

    id: int  # never used again for another file
    path: str  # absolute
    kind: str  # "image" or "video"
    size: int  # bytes
    modified: int  # in nanoseconds
    sha256: str  # of the content

    def moved(self, path: Path, modified: int) -> Item:
        """The same file at another place."""
        return replace(self, path=str(path), modified=modified)

    def line(self) -> bytes:
        """The item as one line of JSON."""
        return encodable(json.dumps(asdict(self), ensure_ascii=False)).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes, where: Path) -> Item:
        """Reads a line of `line`.

        Raises:
            InputError: it is not one.
        """
        try:
            if len(line) > MAX_LINE:
                raise ValueError
            stored = json.loads(line)
            item = cls(**stored)
        except (ValueError, TypeError, RecursionError):
            raise _damaged(where) from None
        texts, numbers = (item.path, item.kind, item.sha256), (item.id, item.size, item.modified)
        if (
            not all(isinstance(text, str) for text in texts)
            or not all(type(number) is int for number in numbers)
            or item.kind not in (IMAGE, VIDEO)
            or "\0" in item.path
        ):
            raise _damaged(where)
        return item

    def as_json(self) -> Mapping[str, Any]:
        """The values for the output of a command."""
        return {"id": self.id, "path": self.path, "kind": self.kind}


@dataclass(frozen=True)
class Embedded:
    """A file with its vectors: one of an image, one for each different scene of a video."""

    item: Item
    vectors: np.ndarray  # float16 [r, d], unit vectors
    spans: np.ndarray  # float32 [r, 2], start and end in seconds; 0 and 0 for an image


def _damaged(where: Path) -> InputError:
    return InputError(f"{where}: is damaged; run: guide search verify {where.parent}")
