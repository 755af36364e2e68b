"""What the catalogue knows about a model: purpose, repository, size and license of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from guidance.models.foreign.places import PACKAGED
from guidance.models.store import EMBEDDED, Repository, is_cached
from guidance.models.torch_hub import TorchFile


@dataclass(frozen=True)
class Model:
    """One model of the catalogue."""

    name: str  # the name for `load_encoder`, `load_denoiser` or `load_stylegan`
    family: str  # a model never judges losses of its own family
    serves: str  # its purpose in this package
    repository: Repository | None  # on the Hugging Face hub; None: a file, or part of this package
    license: str  # of the weights, as published; says "non-commercial" where that applies
    megabytes: int  # of the download, or on the disk for embedded models; approximate
    sha256: Mapping[str, str] = field(default_factory=dict)  # of files, where known
    kind: Literal[
        "encoder", "denoiser", "backbone", "stylegan", "segmenter", "motion", "language"
    ] = "encoder"
    file: TorchFile | None = None  # of torch's hub

    @property
    def folder(self) -> Path | None:
        """The folder of an embedded model."""
        return PACKAGED / EMBEDDED[self.name] if self.name in EMBEDDED else None

    @property
    def is_here(self) -> bool:
        """Whether the weights are on this machine."""
        if self.file is not None:
            return self.file.path.is_file()
        if self.repository is None:
            return (PACKAGED / EMBEDDED[self.name]).is_dir()
        return is_cached(self.repository)
