"""Weights in the cache of `torch.hub`: single files whose names contain the start of their hash.

They are published as pickles only. The hash is checked before a file is read, and torch's
restricted unpickler reads it: it builds tensors and executes no code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile, is_zipfile

from guidance.errors import InputError
from guidance.models.digest import file_sha256
from guidance.models.foreign.tensors import check_tensors
from guidance.models.store import missing

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TorchFile:
    """A file of torch's hub, e.g. `.../alexnet-owt-7be5be79.pth`."""

    url: str

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return self.url.rpartition("/")[2]

    @property
    def sha256_start(self) -> str:
        """The first digits of the file's SHA-256: the part of the name after the last hyphen."""
        return self.name.removesuffix(".pth").rpartition("-")[2]

    @property
    def path(self) -> Path:
        """The file in the local cache, located by the variables that `torch.hub` reads."""
        cache = os.environ.get("TORCH_HOME")
        base = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
        return base.expanduser() / "hub" / "checkpoints" / self.name

    def read(self, model: str, megabytes: int | None = None) -> dict[str, Tensor]:
        """The tensors in the file.

        Args:
            model: the name for `guide models fetch`, for messages.
            megabytes: the size of the download, for messages.

        Raises:
            MissingWeights: the file is not on this machine.
            InputError: its hash does not match its name, or it contains more than tensors.
        """
        if not self.path.is_file():
            raise missing(model, self.path, megabytes)
        self.check()
        return read_tensors(self.path)

    def check(self) -> None:
        """Compares the file's hash with its name.

        Raises:
            InputError: they differ.
        """
        found = file_sha256(self.path)
        if not found.startswith(self.sha256_start):
            raise InputError(
                f"{self.path}: SHA-256 is {found[:12]}..., expected {self.sha256_start}...; the "
                "file was changed or is incomplete: delete it and fetch it again"
            )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors in a pickle, read by the unpickler that executes no code.

    Raises:
        InputError: the file is damaged, or contains anything else.
    """
    import pickle

    import torch
    from torch import Tensor

    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:  # torch stores without compression
                size = sum(item.file_size for item in archive.infolist())
            if size > path.stat().st_size:
                raise InputError(f"{path}: is compressed, so it is not a file that torch wrote")
        found = torch.load(path, map_location="cpu", weights_only=True)
    # torch raises the others for damaged archives.
    except InputError:  # it is a ValueError
        raise
    except (
        pickle.UnpicklingError, BadZipFile, RuntimeError, ValueError, LookupError, TypeError,
        AttributeError, EOFError, OSError,
    ) as error:  # fmt: skip
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{path}: cannot be read as weights ({reason})") from None
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise InputError(f"{path}: expected named tensors, got {type(found).__name__}")
    check_tensors(found, path)
    return found
