"""The files of weights on this machine: where they lie and which are safe to read.

This module opens no connection.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError, MissingWeights
from guidance.models.foreign.places import check_places
from guidance.models.foreign.tensors import PICKLES, pickle_refused, read_header

#: Their names, and their folders there.
EMBEDDED = {
    "mini": "mini_clip",
    "mini-judge": "mini_judge",
    "mini-people": "mini_people",
    "mini-diffusion": "mini_diffusion",
    "mini-stylegan": "mini_stylegan",
    "mini-regions": "mini_regions",
    "mini-tmr": "mini_tmr",
    "mini-motion": "mini_motion",
    "mini-lm": "mini_lm",
}
#: Common file names of a whole model, in order of preference.
USUAL_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
)
#: Names of repositories, and of branches, tags and commits. Paths are made of both.
NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*){0,4}", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """A repository of the Hugging Face hub, at a revision."""

    name: str  # "org/repository"
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Reads "org/repository" or "org/repository@revision"."""
        name, _, revision = text.partition("@")
        revision = revision or "main"
        if ".." in text or not NAME.fullmatch(name) or not REVISION.fullmatch(revision):
            raise InputError(f"hf-hub:{text}: expected hf-hub:org/repository or ...@revision")
        return cls(name, revision)


def hub_cache() -> Path:
    """The folder of the hub's cache, located by the variables that huggingface_hub reads."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(base).expanduser() / "huggingface" / "hub"


def hub_folder(repository: Repository, fetch_name: str, megabytes: int | None = None) -> Path:
    """The snapshot of a repository in the local cache.

    Args:
        repository: the repository.
        fetch_name: the name for `guide models fetch`, for messages.
        megabytes: the size of the download, for messages.

    Raises:
        MissingWeights: there is no snapshot; the message names the path and the command.
    """
    root = hub_cache() / f"models--{repository.name.replace('/', '--')}"
    reference = root / "refs" / repository.revision
    commit = _commit(reference) if reference.is_file() else repository.revision
    folder = root / "snapshots" / commit
    if not folder.is_dir():
        raise missing(fetch_name, folder if reference.is_file() else root, megabytes)
    return folder


def _commit(reference: Path) -> str:
    """The commit in a reference of the cache, which names a folder."""
    with reference.open("rb") as file:
        text = file.read(100).decode("ascii", "replace").strip()
    if not REVISION.fullmatch(text) or "/" in text or ".." in text:
        raise InputError(f"{reference}: is not a commit; delete the folder and fetch it again")
    return text


def missing(fetch_name: str, path: Path, megabytes: int | None = None) -> MissingWeights:
    """The error for weights that are not on this machine: the expected path and how to get them."""
    size = f" ({megabytes} MB)" if megabytes else ""
    remedy = f"fetch them once{size}: guide models fetch {fetch_name}"
    if fetch_name in EMBEDDED:
        remedy = "they are part of the package: reinstall it"
    if fetch_name.startswith("local-dir:"):
        remedy = "put the model's folder there, or name another one"
    return MissingWeights(f"{fetch_name}: no weights at {path}; {remedy}")


def is_cached(repository: Repository) -> bool:
    """Whether a snapshot of a repository is in the local cache."""
    try:
        hub_folder(repository, repository.name)
    except MissingWeights:
        return False
    return True


def find_checkpoint(folder: Path, fetch_name: str, filename: str | None = None) -> Path:
    """The safetensors file in a model's folder.

    Args:
        folder: a snapshot, or a user's folder.
        fetch_name: the name for `guide models fetch`, for messages.
        filename: see `choose_checkpoint`.

    Raises:
        MissingWeights: there is no checkpoint.
        InputError: there are only pickles, or several candidates.
    """
    check_places(folder)
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    if not any(file.endswith((".safetensors", *PICKLES)) for file in files):
        raise missing(fetch_name, folder)
    path = folder / choose_checkpoint(files, str(folder), filename)
    read_header(path)
    return path


def choose_checkpoint(files: list[str], where: str, filename: str | None = None) -> str:
    """The name of the safetensors file with the whole model.

    Args:
        files: the names of the files in a folder or repository.
        where: the folder or repository, for messages.
        filename: the file's name where it is known; for a pickle's name, the safetensors file of
            the same name is chosen.

    Raises:
        InputError: there are only pickles, or several candidates.
    """
    usual: tuple[str, ...] = USUAL_NAMES
    if filename is not None:
        usual = (str(Path(filename).with_suffix(".safetensors")),)
    for name in usual:
        if name in files:
            return name
    safe = [file for file in files if file.endswith(".safetensors") and "/" not in file]
    if len(safe) == 1 and filename is None:
        return safe[0]
    if safe:
        raise InputError(
            f"{where}: expected one of {', '.join(usual)}, got {', '.join(safe)}; rename the file "
            f"of the whole model to {usual[0]}"
        )
    pickles = [file for file in files if file.endswith(PICKLES)]
    if not pickles:
        raise InputError(f"{where}: has no safetensors file at its top level")
    raise pickle_refused(f"{where}: {pickles[0]}")
