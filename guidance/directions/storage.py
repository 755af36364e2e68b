"""Safetensors files of this package: tensors, and what they are, as JSON in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.models.foreign.tensors import check_tensors, read_header
from guidance.runs.atomic import os_errors, write_bytes

KEY, VERSION = "guidance", 1
#: Bytes of a file. The dictionary of the largest published network has 5 MB, its complete table 20.
MAX_BYTES = 2**29


@dataclass(frozen=True)
class Contents:
    """What a file contains; `about` is the JSON."""

    format: str
    about: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def text(self, key: str, path: Path) -> str:
        """A text of the JSON. Raises InputError if there is none."""
        value = self.about.get(key)
        if not isinstance(value, str):
            raise InputError(f"{path}: its {key!r} is not a text")
        return value

    def texts(self, key: str, path: Path) -> list[str]:
        """A list of texts of the JSON. Raises InputError if there is none."""
        value = self.about.get(key)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InputError(f"{path}: its {key!r} is not a list of texts")
        return value

    def vector(self, name: str, path: Path) -> Tensor:
        """A tensor with one dimension. Raises InputError if there is none."""
        return self.tensor(name, path, 1)

    def tensor(self, name: str, path: Path, dimensions: int) -> Tensor:
        """A tensor with this number of dimensions. Raises InputError if there is none."""
        found = self.tensors.get(name)
        if found is None or found.ndim != dimensions:
            raise InputError(f"{path}: expected a tensor {name!r:.80} of {dimensions} dimensions")
        return found


def write_contents(path: Path, contents: Contents) -> Path:
    """Writes a file at once: it is complete or absent.

    Raises:
        InputError: the path cannot be written.
        OutOfResources: the disk is full.
    """
    from safetensors.torch import save

    about = {"format": contents.format, "version": VERSION, **contents.about}
    tensors = {name: x.detach().cpu().contiguous() for name, x in contents.tensors.items()}
    with os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return write_bytes(path, save(tensors, {KEY: json.dumps(about)}))


def read_contents(path: Path, expected: str) -> Contents:
    """Reads a file of `write_contents`, in float32.

    Args:
        path: the file.
        expected: its format.

    Raises:
        InputError: no such file, too large, damaged, or of another format.
    """
    from safetensors import safe_open

    refuse_special_file(path, str(path))
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: is larger than {MAX_BYTES // 2**20} MB; it is not a {expected}")
    header = read_header(path)
    if wrong := next((name for name, x in header.items() if x.dtype != "F32"), None):
        raise InputError(f"{path}: tensor {wrong!r:.80} is not in float32")
    with safe_open(path, framework="pt", device="cpu") as file:
        about = _about(file.metadata(), path)
        if about.get("format") != expected:
            raise InputError(f"{path}: is not a {expected}, but {about.get('format')!r:.40}")
        if about.get("version") != VERSION:
            raise InputError(f"{path}: was written by another version of this package")
        tensors = {name: file.get_tensor(name) for name in header}
    check_tensors(tensors, path)
    return Contents(expected, about, tensors)


def _about(metadata: Mapping[str, str] | None, path: Path) -> dict[str, Any]:
    try:
        about = json.loads((metadata or {})[KEY])
    except (KeyError, ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise InputError(f"{path}: was not written by this package: its metadata is missing")
    return about
