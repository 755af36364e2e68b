"""Weights of the cache of `torch.hub`: single files that have the start of their hash in the name.

They are published as pickles only. What is read is checked against that hash first, and opened by
torch's restricted unpickler, which builds tensors and runs no code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.errors import InputError, MissingWeights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TorchFile:
    """A file that torch's hub keeps, e.g. `.../alexnet-owt-7be5be79.pth`."""

    url: str

    @property
    def name(self) -> str:
        """Of the file in the cache."""
        return self.url.rpartition("/")[2]

    @property
    def sha256_start(self) -> str:
        """The first digits of its hash, which are behind the last hyphen of its name."""
        return self.name.removesuffix(".pth").rpartition("-")[2]

    @property
    def path(self) -> Path:
        """Where it lies on this machine, by the variables that `torch.hub` itself reads."""
        cache = os.environ.get("TORCH_HOME")
        base = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
        return base.expanduser() / "hub" / "checkpoints" / self.name

    def read(self, model: str) -> dict[str, Tensor]:
        """The tensors in the file.

        Args:
            model: what `guide models fetch` takes, for messages.

        Raises:
            MissingWeights: the file is not there.
            InputError: it is not what its name says, or holds anything but tensors.
        """
        from guidance.models.catalogue import find_model
        from guidance.models.store import missing

        if not self.path.is_file():
            known = find_model(model)
            raise missing(model, self.path, known.megabytes if known else None)
        self.check()
        return read_tensors(self.path)

    def check(self) -> None:
        """Compares the file's hash with its name.

        Raises:
            InputError: they differ.
        """
        from guidance.models.hashes import file_sha256

        found = file_sha256(self.path)
        if not found.startswith(self.sha256_start):
            raise InputError(
                f"{self.path}: its hash is {found[:12]}..., expected {self.sha256_start}...; the "
                "file was changed or cut off: delete it and fetch it again"
            )

    def fetch(self, model: str) -> Path:
        """Downloads the file, which counts only if its hash is that of its name.

        Raises:
            MissingWeights: it could not be fetched.
        """
        import torch

        if not self.path.is_file():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(
                    self.url, str(self.path), hash_prefix=self.sha256_start, progress=False
                )
            # torch raises RuntimeError for a wrong hash, the system and urllib raise OSError.
            except (OSError, RuntimeError) as error:
                reason = " ".join(str(error).split())
                raise MissingWeights(
                    f"{model}: could not fetch {self.url} into {self.path}: {reason}"
                ) from error
        return self.path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A pickle of named tensors, by the unpickler that runs no code.

    Raises:
        InputError: it is damaged, or holds anything else.
    """
    import pickle

    import torch
    from torch import Tensor

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    # What torch raises on damaged archives, beside what pickles raise.
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{path}: holds no readable weights ({reason})") from None
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise InputError(f"{path}: expected named tensors, got {type(found).__name__}")
    return found
