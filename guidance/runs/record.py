"""Records of a run: metrics, line by line, and the environment."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from io import BufferedWriter
from pathlib import Path
from typing import Any

import torch

from guidance.errors import InputError
from guidance.models.digest import file_sha256
from guidance.runs.atomic import os_errors
from guidance.version import __version__

#: Packages whose versions change results.
PACKAGES = (
    "torch", "torchvision", "open_clip_torch", "timm", "diffusers", "transformers", "numpy",
    "pillow", "trimesh", "av",
)  # fmt: skip
MAX_LINE = 2**24


def finite(value: Any) -> Any:
    """Replaces numbers that are not finite by None, since JSON has none of them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


class Metrics:
    """metrics.jsonl: one line per step, `{"step", "loss", "losses", ...}`, and one per validation.

    Lines depend on configuration and seed only (they hold no times), so a resumed run writes the
    same file as an uninterrupted one.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        """Opens the file and truncates it to `keep` bytes (see `find_end`)."""
        self.path = path
        with os_errors(path):
            self._bytes, self._hash = keep, prefix_hash(path, keep)
            self._file: BufferedWriter = path.open("ab")
            self._file.truncate(keep)

    @property
    def mark(self) -> tuple[int, str]:
        """Length and SHA-256 of all that was written."""
        return self._bytes, self._hash.hexdigest()

    def write(self, line: dict[str, Any]) -> None:
        content = json.dumps(finite(line), separators=(",", ":")).encode() + b"\n"
        self._bytes += len(content)
        self._hash.update(content)
        with os_errors(self.path):
            self._file.write(content)

    def sync(self) -> None:
        """Flushes all lines to disk; called before each checkpoint."""
        with os_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with os_errors(self.path):
            self._file.close()


def prefix_hash(path: Path, length: int) -> Any:
    """The SHA-256, as an object of hashlib, of the first bytes of a file."""
    found = hashlib.sha256()
    if length:
        with path.open("rb") as file:
            while length and (block := file.read(min(length, 2**20))):
                found.update(block)
                length -= len(block)
    return found


def find_end(path: Path, step: int, mark: tuple[int, str] | None = None) -> tuple[int, list[Any]]:
    """Finds the end of the lines up to a checkpoint's step, and the judge's scores in them.

    Args:
        mark: length and SHA-256 of these lines, from the checkpoint.

    Returns:
        The offset in bytes, and the scores, the first and the last; the file is not changed.

    Raises:
        InputError: lines before the checkpoint are missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: is missing, so the run cannot be resumed; start it again")
    end = steps = 0
    judged: list[Any] = []
    with path.open("rb") as file:
        while (raw := file.readline(MAX_LINE)).endswith(b"\n"):
            try:
                line = json.loads(raw)
                number = line["step"]
            except (ValueError, KeyError, TypeError, RecursionError):
                number = None
            if not isinstance(number, int):
                raise InputError(f"{path}: has a damaged line after byte {end}; start again")
            if number > step:
                break
            if "judge" in line:
                judged = [*judged[:1], line["judge"]]
            steps += "losses" in line
            end += len(raw)
    if steps != step:
        raise InputError(
            f"{path}: expected the {step} steps of the checkpoint, found {steps}; restore the "
            "file, or start the run again"
        )
    if mark is not None and mark != (end, prefix_hash(path, end).hexdigest()):
        raise InputError(
            f"{path}: was changed since the checkpoint; restore it, or start the run again"
        )
    return end, judged


def environment(
    device: str,
    encoders: Iterable[str],
    denoisers: Iterable[tuple[str, str]] = (),
    families: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Versions, device, and hashes of the weights of the models that a run used.

    Args:
        encoders: names of models that `load_encoder` loads from files.
        denoisers: names and autoencoders, as `load_denoiser` takes them.
        families: of the encoders of the losses, by name, for judges of the finished run.
    """
    versions = {name: _version(name) for name in PACKAGES}
    return {
        "guidance": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {name: version for name, version in versions.items() if version},
        "device": device,
        "device_name": _device_name(device),
        "threads": torch.get_num_threads(),
        "families": dict(families or {}),
        "models": {
            **{name: _encoder_hash(name) for name in dict.fromkeys(encoders)},
            **{name: _denoiser_hashes(name, vae) for name, vae in dict.fromkeys(denoisers)},
        },
    }


@functools.cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _encoder_hash(name: str) -> dict[str, str]:
    from guidance.encoders.files.source import find_source

    checkpoint = find_source(name).checkpoint
    return {"file": checkpoint.name, "sha256": _sha256(checkpoint)}


def _denoiser_hashes(name: str, vae: str) -> dict[str, str]:
    """Hashes of all files that weights were read from."""
    from guidance.diffusion.files.source import autoencoder_folder, find_source
    from guidance.models.denoisers import choose_weights

    source = find_source(name)
    folders = {part: source.folder / part for part in source.variants}
    if vae != "full":
        folders["vae"] = autoencoder_folder(vae, source)
    files = {
        f"{part}/{file}": folder / file
        for part, folder in folders.items()
        for file in choose_weights([path.name for path in folder.iterdir()], prefer_half=False)[1]
    }
    return {name: _sha256(path) for name, path in sorted(files.items())}


def _sha256(path: Path) -> str:
    """The hash of a file. The hub's cache names large files by it, which saves seconds."""
    stored_as = path.resolve().name
    known = len(stored_as) == 64 and all(letter in "0123456789abcdef" for letter in stored_as)
    if known:
        return stored_as
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@functools.cache
def _hashed(path: Path, size: int, changed_ns: int) -> str:
    """The hash of a file, computed once in a process unless the file changes."""
    return file_sha256(path)
