"""Where weights lie on this machine. Nothing here opens a connection."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError, MissingWeights

#: The models that are part of the package.
PACKAGED = Path(__file__).parent / "weights"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
#: What publishers call the whole model, in the order of preference.
USUAL_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
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
        if name.count("/") != 1 or ".." in text or not all(name.split("/")):
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


def hub_folder(repository: Repository, fetch_name: str) -> Path:
    """The snapshot of a repository in the local cache.

    Raises:
        MissingWeights: it is not there; says where it was looked for, and `guide models fetch`
            with `fetch_name`.
    """
    root = hub_cache() / f"models--{repository.name.replace('/', '--')}"
    reference = root / "refs" / repository.revision
    commit = reference.read_text().strip() if reference.is_file() else repository.revision
    folder = root / "snapshots" / commit
    if not folder.is_dir():
        raise missing(fetch_name, folder if reference.is_file() else root)
    return folder


def missing(fetch_name: str, path: Path) -> MissingWeights:
    """The error that tells where weights were expected and how to get them."""
    return MissingWeights(
        f"{fetch_name}: no weights at {path}; fetch them once, with a connection: "
        f"guide models fetch {fetch_name}"
    )


def find_checkpoint(folder: Path, fetch_name: str, wanted: str | None = None) -> Path:
    """The safetensors file of a model's folder.

    Args:
        folder: a snapshot, or a user's folder.
        fetch_name: what `guide models fetch` takes, for the message.
        wanted: the file's name where it is known; a pickle's name stands for its safe twin.

    Raises:
        MissingWeights: there is no checkpoint.
        InputError: there are only pickles, or several files to choose from.
    """
    names = USUAL_NAMES if wanted is None else (str(Path(wanted).with_suffix(".safetensors")),)
    found = [folder / name for name in names if (folder / name).is_file()]
    if wanted is None and not found:
        found = sorted(folder.glob("*.safetensors"))
        if len(found) > 1:
            raise InputError(
                f"{folder}: expected one safetensors file, got "
                f"{', '.join(path.name for path in found)}; name the model {USUAL_NAMES[0]}"
            )
    if found:
        check_is_safetensors(found[0])
        return found[0]
    pickles = sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise pickle_refused(pickles[0])
    raise missing(fetch_name, folder)


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
