"""Whether weights are what was published, by the hashes of their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError
from guidance.models.catalogue import find_model, list_models
from guidance.models.fetch import describe
from guidance.models.store import EMBEDDED, PACKAGED, hub_folder, missing

HASHES = PACKAGED / "sha256.json"
SHA256_LENGTH, SHA1_LENGTH = 64, 40


@dataclass(frozen=True)
class Checked:
    """One file whose hash was compared."""

    model: str
    path: Path
    against: str  # what the hash was compared with: "the package", "the catalogue", "the hub"


def verify(name: str | None = None) -> list[Checked]:
    """Compares the hashes of a model's files, or of all models of the catalogue that are here.

    Embedded models are compared with the package's own list, others with the catalogue and with
    the hashes under which the hub stores its files.

    Raises:
        InputError: a file differs, or is missing, or no hash is known.
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
    repository = describe(name)[0]
    known = model.sha256 if model else {}
    for path in sorted(hub_folder(repository, name).rglob("*")):
        if path.is_dir():
            continue
        if path.name in known:
            _compare(path, known[path.name], file_sha256(path))
            yield Checked(name, path, "the catalogue")
        elif path.is_symlink():
            stored_as = path.resolve().name
            if len(stored_as) == SHA256_LENGTH:
                _compare(path, stored_as, file_sha256(path))
            elif len(stored_as) == SHA1_LENGTH:
                _compare(path, stored_as, _git_sha1(path))
            yield Checked(name, path, "the hub")


def _verify_embedded(name: str) -> Iterator[Checked]:
    folder = EMBEDDED[name]
    if not (PACKAGED / folder).is_dir():
        raise missing(name, PACKAGED / folder)
    if not HASHES.is_file():
        raise InputError(f"{HASHES}: is missing; install the package again")
    for file, expected in json.loads(HASHES.read_text()).items():
        path = PACKAGED / file
        if file.split("/")[0] != folder:
            continue
        if not path.is_file():
            raise InputError(f"{path}: is missing; install the package again")
        _compare(path, expected, file_sha256(path))
        yield Checked(name, path, "the package")


def _compare(path: Path, expected: str, found: str) -> None:
    if expected != found:
        raise InputError(
            f"{path}: its hash is {found[:12]}..., expected {expected[:12]}...; the file was "
            "changed or cut off: delete it and fetch it again"
        )


def file_sha256(path: Path) -> str:
    """The hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_sha1(path: Path) -> str:
    """The name under which git, and so the hub, stores a small file."""
    content = path.read_bytes()
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def write_hashes() -> Path:
    """Writes the list that embedded models are verified against; see recipes/hashes.py."""
    files = sorted(path for path in PACKAGED.glob("*/**/*") if path.is_file())
    hashes = {path.relative_to(PACKAGED).as_posix(): file_sha256(path) for path in files}
    HASHES.write_text(json.dumps(hashes, indent=2) + "\n")
    return HASHES
