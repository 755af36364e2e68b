"""Verification of weights by the hashes of their files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError
from guidance.models.catalogue import find_model, list_models
from guidance.models.digest import file_sha256, git_sha1
from guidance.models.foreign.places import PACKAGED
from guidance.models.store import EMBEDDED, hub_folder, missing
from guidance.models.tags import find_repository

HASHES = PACKAGED / "sha256.json"
SHA256_LENGTH, SHA1_LENGTH = 64, 40


@dataclass(frozen=True)
class Checked:
    """A file whose hash was compared."""

    model: str
    path: Path
    against: str  # the source of the expected hash: "the package", "the catalogue", "the hub"


def verify(name: str | None = None) -> list[Checked]:
    """Compares the hashes of a model's files, or of all models of the catalogue on this machine.

    Embedded models are compared with the list in the package, others with the catalogue and with
    the hashes under which the hub stores its files.

    Raises:
        InputError: a file differs or is missing, or no hash is known.
        MissingWeights: the named model is not on this machine.
    """
    names = [name] if name else [model.name for model in list_models() if model.is_here]
    checked = [item for each in names for item in _verify_one(each)]
    if name and not checked:
        raise InputError(f"{name}: no hash is known for any of its files")
    return checked


def _verify_one(name: str) -> Iterator[Checked]:
    if name in EMBEDDED:
        yield from _verify_embedded(name)
        return
    model = find_model(name)
    if model is not None and model.file is not None:
        if not model.is_here:
            raise missing(name, model.file.path, model.megabytes)
        model.file.check()
        yield Checked(name, model.file.path, "its name")
        return
    repository = find_repository(name)[0]
    known = model.sha256 if model else {}
    for path in sorted(hub_folder(repository, name).rglob("*")):
        if path.is_dir():
            continue
        if path.name in known:
            _compare(path, known[path.name], file_sha256(path))
            yield Checked(name, path, "the catalogue")
        elif path.is_symlink():
            stored_as = path.resolve().name
            hashes = {SHA256_LENGTH: file_sha256, SHA1_LENGTH: git_sha1}
            if len(stored_as) in hashes:
                _compare(path, stored_as, hashes[len(stored_as)](path))
                yield Checked(name, path, "the hub")


def _verify_embedded(name: str) -> Iterator[Checked]:
    folder = EMBEDDED[name]
    if not (PACKAGED / folder).is_dir():
        raise missing(name, PACKAGED / folder)
    if not HASHES.is_file():
        raise InputError(f"{HASHES}: is missing; reinstall the package")
    for file, expected in json.loads(HASHES.read_text()).items():
        path = PACKAGED / file
        if file.split("/")[0] != folder:
            continue
        if not path.is_file():
            raise InputError(f"{path}: is missing; reinstall the package")
        _compare(path, expected, file_sha256(path))
        yield Checked(name, path, "the package")


def _compare(path: Path, expected: str, found: str) -> None:
    if expected != found:
        raise InputError(
            f"{path}: hash is {found[:12]}..., expected {expected[:12]}...; the file was changed "
            "or is incomplete: delete it and fetch it again"
        )


def write_hashes() -> Path:
    """Writes the list that embedded models are compared with; see recipes/hashes.py."""
    files = sorted(path for path in PACKAGED.glob("*/**/*") if path.is_file())
    hashes = {path.relative_to(PACKAGED).as_posix(): file_sha256(path) for path in files}
    HASHES.write_text(json.dumps(hashes, indent=2) + "\n")
    return HASHES
