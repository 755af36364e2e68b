"""The identity of an encoder: its name, and a digest of its weights and configuration."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from guidance.encoders.files.source import find_source
from guidance.errors import InputError
from guidance.models.digest import file_sha256
from guidance.models.foreign.places import PACKAGED
from guidance.models.hashes import HASHES, SHA256_LENGTH
from guidance.search.manifest import EncoderId

#: Small files beside the weights that change the vectors.
CONFIGURATIONS = ("open_clip_config.json", "config.json", "preprocessor_config.json")


def identity(name: str) -> EncoderId:
    """The identity of an encoder that `load_encoder` takes by name.

    The digests of embedded models and of the hub's files are read, not computed.

    Raises:
        InputError, MissingWeights: see `guidance.encoders.load_encoder`.
    """
    source = find_source(name)
    files = [source.checkpoint]
    files += [path for path in map(source.folder.joinpath, CONFIGURATIONS) if path.is_file()]
    total = sha256()
    for path in files:
        total.update(f"{path.name} {_digest(path)}\n".encode())
    return EncoderId(name, total.hexdigest())


def check_same(found: EncoderId, expected: EncoderId, folder: Path) -> None:
    """Raises InputError if an index was made with another encoder."""
    if found.digest == expected.digest:
        return
    if found.name == expected.name:
        raise InputError(
            f"{folder}: was built with other weights of {expected.name} than those on this "
            "machine; build it again, in another folder"
        )
    raise InputError(
        f"{folder}: was built with the encoder {expected.name}, not {found.name}; remove "
        "--encoder, or build another index"
    )


def _digest(path: Path) -> str:
    if path.is_relative_to(PACKAGED):
        known = json.loads(HASHES.read_text()).get(path.relative_to(PACKAGED).as_posix())
        if known is not None:
            return str(known)
    stored_as = path.resolve().name
    if path.is_symlink() and len(stored_as) == SHA256_LENGTH and path.suffix == ".safetensors":
        return stored_as
    return file_sha256(path)
