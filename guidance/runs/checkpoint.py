"""Checkpoints that are written atomically and checked when they are read.

`checkpoint.json` holds the hash of its data. Replacing it is the atomic moment at which a new
checkpoint takes effect:

1. the data is written beside the old data, as `.checkpoint.safetensors.next`;
2. `checkpoint.json` is replaced, and refers to the new data from now on;
3. the data is renamed to `checkpoint.safetensors`.

A kill before 2 leaves the old pair intact. A kill between 2 and 3 leaves a description whose data
still has its temporary name, where `load` finds it by its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guidance.config.marks import whole_version
from guidance.errors import InputError
from guidance.runs.atomic import os_errors, sync_folder, write_bytes, write_text
from guidance.streams import say

#: Version 2 also has the length and the hash of metrics.jsonl; in version 3 the noise behind images
#: is drawn once in a run.
SCHEMA_VERSION = 3
DATA, DESCRIPTION, NEXT = (
    "checkpoint.safetensors",
    "checkpoint.json",
    ".checkpoint.safetensors.next",
)
#: Limits on sizes, checked before anything is allocated.
MAX_DESCRIPTION, MAX_HEADER, MAX_ENTRIES = 4096, 2**20, 10_000
#: Limit on the data: a checkpoint holds the generator twice and Adam's two moments, which is four
#: times its bytes, and the loss curve with 8 bytes per step.
TIMES, BESIDE = 6, 64 * 2**20
COUNTERS = ("step", "skipped", "bad_in_a_row", "rate_scale", "micro_batch")


@dataclass(frozen=True)
class Description:
    """The content of `checkpoint.json`."""

    schema_version: int
    step: int
    bytes: int
    sha256: str
    config_sha256: str  # of the config.yaml of the run
    metrics_bytes: int | None = None  # of metrics.jsonl, up to this step
    metrics_sha256: str | None = None


def save(
    folder: Path,
    tensors: dict[str, Tensor],
    config_sha256: str,
    metrics: tuple[int, str] | None = None,
) -> None:
    """Replaces the checkpoint of a run. If this is killed, one complete checkpoint remains.

    Args:
        metrics: length and SHA-256 of metrics.jsonl up to this step, already on disk.

    Raises:
        OutOfResources: the disk is full; the previous checkpoint remains.
    """
    from safetensors.torch import save as to_bytes

    data = to_bytes({name: tensor.contiguous() for name, tensor in tensors.items()})
    description = Description(
        SCHEMA_VERSION,
        int(tensors["counter/step"]),
        len(data),
        hashlib.sha256(data).hexdigest(),
        config_sha256,
        *(metrics or ()),
    )
    try:
        write_bytes(folder / NEXT, data)
        write_text(folder / DESCRIPTION, _as_text(description))
    except BaseException:
        if _read_description(folder) != description:
            (folder / NEXT).unlink(missing_ok=True)
        raise
    with os_errors(folder / DATA):
        os.replace(folder / NEXT, folder / DATA)
        sync_folder(folder)


def load(folder: Path, generator: nn.Module, config_sha256: str) -> dict[str, Tensor] | None:
    """Reads the tensors of a checkpoint; None if the run was interrupted before its first one.

    Raises:
        InputError: it is damaged, from a newer version, or from another run.
    """
    description = _read_description(folder)
    if description is None:
        if (folder / DATA).exists():
            raise _damaged(folder / DESCRIPTION, "is missing")
        return None
    if description.config_sha256 != config_sha256:
        raise InputError(
            f"{folder}: config.yaml was changed since the checkpoint; restore it, or start again: "
            f"guide run TASK --config {folder / 'config.yaml'}"
        )
    path = next((p for p in (folder / DATA, folder / NEXT) if _fits(p, description)), folder / DATA)
    if not _fits(path, description):
        raise _damaged(path, "does not have the hash in checkpoint.json")
    limit = TIMES * sum(_num_bytes(t) for t in generator.state_dict().values()) + BESIDE
    if description.bytes > limit:
        raise _damaged(path, f"expected at most {limit} bytes, found {description.bytes}")
    _check_header(path)
    if description.schema_version < SCHEMA_VERSION:
        say(
            f"{folder}: was begun by an earlier version, which drew the noise of backgrounds in "
            "another way; the result may differ from that of a run without interruption"
        )
    return _checked_tensors(path, description, generator)


def metrics_mark(folder: Path) -> tuple[int, str] | None:
    """Length and SHA-256 of metrics.jsonl up to the checkpoint; None in older checkpoints.

    Raises:
        InputError: the checkpoint is damaged.
    """
    found = _read_description(folder)
    if found is None or found.metrics_bytes is None or found.metrics_sha256 is None:
        return None
    return found.metrics_bytes, found.metrics_sha256


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_description(folder: Path) -> Description | None:
    path = folder / DESCRIPTION
    if not path.exists():
        return None
    if not path.is_file() or path.stat().st_size > MAX_DESCRIPTION:
        raise _damaged(path, "is not the description of a checkpoint")
    try:
        text = path.read_text(encoding="utf-8")
        values: Any = json.loads(text)
        whole_version(values.get("schema_version"), SCHEMA_VERSION, str(path))
        digest = values.pop("self_sha256")
        description = Description(**values)
        # The text must be exactly as it was written, so that any flipped bit is found.
        if _as_text(description) != text or digest != _own_digest(values):
            raise ValueError("not the text that was written")
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _damaged(path, "cannot be read") from None
    return description


def _as_text(description: Description) -> str:
    # Version 1 did not have all values.
    values = {key: value for key, value in asdict(description).items() if value is not None}
    return json.dumps(values | {"self_sha256": _own_digest(values)}, indent=2) + "\n"


def _own_digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _fits(path: Path, description: Description) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == description.bytes
        and file_digest(path) == description.sha256
    )


def _check_header(path: Path) -> None:
    """Checks limits on the header; safetensors checks offsets and overlaps."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            raise _damaged(path, f"has a header of {length} bytes")
        try:
            entries = json.loads(file.read(length))
        except (ValueError, RecursionError):
            raise _damaged(path, "has no readable header") from None
    if not isinstance(entries, dict) or len(entries) > MAX_ENTRIES:
        raise _damaged(path, f"has more than {MAX_ENTRIES} entries")


def _checked_tensors(
    path: Path, description: Description, generator: nn.Module
) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        tensors: dict[str, Tensor] = from_bytes(path.read_bytes())
    except SafetensorError as error:
        raise _damaged(path, f"cannot be read: {error}") from None
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    for name, tensor in generator.state_dict().items():
        for kind in ("generator", "best"):
            found = shapes.pop(f"{kind}/{name}", None)
            if found != list(tensor.shape):
                raise InputError(
                    f"{path}: expected {kind}/{name} {list(tensor.shape)}, found {found}; the "
                    "checkpoint is from another run, or another version of its task"
                )
    counters = [tensors.get(f"counter/{name}") for name in COUNTERS]
    if any(c is None or c.shape != () or not bool(torch.isfinite(c)) for c in counters):
        raise _damaged(path, "lacks a counter")
    step, history = tensors["counter/step"], tensors.get("history")
    if int(step) != description.step or history is None or len(history) != description.step:
        raise _damaged(path, f"does not belong to step {description.step}")
    strangers = [n for n in shapes if n.startswith(("generator/", "best/"))]
    if strangers:
        raise _damaged(path, f"holds {strangers[0]!r:.60}, which the generator does not have")
    return tensors


def _num_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _damaged(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what}; the checkpoint is damaged and the run cannot be resumed; start again "
        f"with guide run TASK --config {path.parent / 'config.yaml'}"
    )
