"""Where weights lie on this machine. Nothing here opens a connection."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError, MissingWeights

#: The models that are part of the package.
PACKAGED = Path(__file__).parent / "weights"
#: Their names, and their folders there.
EMBEDDED = {
    "mini": "mini_clip",
    "mini-judge": "mini_judge",
    "mini-diffusion": "mini_diffusion",
}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
#: What publishers call the whole model, in the order of preference.
USUAL_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
)


@dataclass(frozen=True)
class Repository:
    """A repository of the Hugging Face hub, at a revision."""

    name: str  # "org/repository"
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Reads "org/repository" or "org/repository@revision"."""
        name, _, revision = text.partition("@")
        if name.count("/") > 1 or ".." in text or not all(name.split("/")):
            raise InputError(f"hf-hub:{text}: expected hf-hub:org/repository or ...@revision")
        return cls(name, revision or "main")


def hub_cache() -> Path:
    """The folder of the hub's cache, by the variables that huggingface_hub itself reads."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(base).expanduser() / "huggingface" / "hub"


def hub_folder(repository: Repository, fetch_name: str, megabytes: int | None = None) -> Path:
    """The snapshot of a repository in the local cache.

    Raises:
        MissingWeights: it is not there; says where it was looked for, how large it is where that
            is known, and `guide models fetch` with `fetch_name`.
    """
    root = hub_cache() / f"models--{repository.name.replace('/', '--')}"
    reference = root / "refs" / repository.revision
    commit = reference.read_text().strip() if reference.is_file() else repository.revision
    folder = root / "snapshots" / commit
    if not folder.is_dir():
        raise missing(fetch_name, folder if reference.is_file() else root, megabytes)
    return folder


def missing(fetch_name: str, path: Path, megabytes: int | None = None) -> MissingWeights:
    """The error that tells where weights were expected and how to get them."""
    size = f" ({megabytes} MB)" if megabytes else ""
    way = f"fetch them once{size}, with a connection: guide models fetch {fetch_name}"
    if fetch_name in EMBEDDED:
        way = "they are part of the package: install it again"
    if fetch_name.startswith("local-dir:"):
        way = "put the model's folder there, or name another"
    return MissingWeights(f"{fetch_name}: no weights at {path}; {way}")


def is_cached(repository: Repository) -> bool:
    """Whether a snapshot of a repository is in the local cache."""
    try:
        hub_folder(repository, repository.name)
    except MissingWeights:
        return False
    return True


def find_checkpoint(folder: Path, fetch_name: str, wanted: str | None = None) -> Path:
    """The safetensors file of a model's folder.

    Args:
        folder: a snapshot, or a user's folder.
        fetch_name: what `guide models fetch` takes, for the message.
        wanted: see `choose_checkpoint`.

    Raises:
        MissingWeights: there is no checkpoint.
        InputError: there are only pickles, or several files to choose from.
    """
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    if not any(file.endswith((".safetensors", *PICKLES)) for file in files):
        raise missing(fetch_name, folder)
    path = folder / choose_checkpoint(files, str(folder), wanted)
    check_is_safetensors(path)
    return path


def choose_checkpoint(files: list[str], where: str, wanted: str | None = None) -> str:
    """The name of the safetensors file that holds the whole model.

    Args:
        files: the names in a folder or repository.
        where: which one, for the message.
        wanted: the name where it is known; a pickle's name stands for its safe twin.

    Raises:
        InputError: there are only pickles, or several files to choose from.
    """
    names = USUAL_NAMES if wanted is None else (str(Path(wanted).with_suffix(".safetensors")),)
    for name in names:
        if name in files:
            return name
    safe = [file for file in files if file.endswith(".safetensors") and "/" not in file]
    if len(safe) == 1 and wanted is None:
        return safe[0]
    if safe:
        raise InputError(
            f"{where}: expected one of {', '.join(names)}, got {', '.join(safe)}; rename the "
            f"whole model to {names[0]}"
        )
    pickles = [file for file in files if file.endswith(PICKLES)] or ["nothing readable"]
    raise pickle_refused(f"{where}: {pickles[0]}")


def pickle_refused(path: Path | str) -> InputError:
    """The error for a checkpoint that could run code when it is read."""
    return InputError(
        f"{path}: is a pickle, which can run any code when it is opened; only safetensors are "
        "read: convert it where you trust it, with safetensors.torch.save_file"
    )


def check_is_safetensors(path: Path) -> None:
    """Decides by content, not by name.

    Raises:
        InputError: the file is a pickle, or no safetensors file at all.
    """
    with path.open("rb") as file:
        start = file.read(9)
    # A length of eight bytes, then a header in JSON. Pickles start with their protocol, and
    # torch's are zip archives.
    length = int.from_bytes(start[:8], "little")
    if len(start) == 9 and start[8:] == b"{" and length <= path.stat().st_size - 8:
        return
    if start[:2] == b"PK" or start[:1] == b"\x80":
        raise pickle_refused(path)
    raise InputError(f"{path}: is no safetensors file, or it was cut off; fetch it again")
