"""Where the files of a model may lie: inside its folder, as plain files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from guidance.errors import InputError

#: The folder of the models that are part of this package. Its files are not foreign, and some
#: installers link them from elsewhere.
PACKAGED = Path(__file__).parents[1] / "weights"
#: Entries of one folder. The largest repositories of diffusion models have fewer than 100.
MAX_ENTRIES = 10_000
#: Files that make transformers or diffusers read other models, which the file names.
REDIRECTIONS = ("adapter_config.json",)


def check_places(folder: Path) -> None:
    """Checks all entries of a folder that a library will read, but not its subfolders.

    Links within the folder are allowed, and so are the links of the hub's cache from a snapshot to
    the blobs of the same repository.

    Raises:
        InputError: an entry is a link that leads out of the model's folder, or neither a file nor a
            folder; or it would make a library read another model.
    """
    if folder.resolve().is_relative_to(PACKAGED.resolve()):
        return
    root = _root(folder)
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MAX_ENTRIES:
                raise InputError(f"{folder}: has more than {MAX_ENTRIES} files; it is not a model")
            if entry.name in REDIRECTIONS:
                raise InputError(
                    f"{folder / entry.name}: adapters are not supported, because they load "
                    "another model; merge the adapter into the weights and remove the file"
                )
            if entry.is_symlink():
                _check_link(Path(entry.path), root)
            elif not (entry.is_file() or entry.is_dir()):
                raise InputError(f"{entry.path!r:.200}: is not a plain file; remove it")


def check_subfolder(folder: Path, part: str) -> Path:
    """The folder of a part of a model, whose own entries are checked too.

    Raises:
        InputError: see `check_places`.
    """
    path = folder / part
    if path.is_symlink() and not folder.resolve().is_relative_to(PACKAGED.resolve()):
        _check_link(path, _root(folder))
    if path.is_dir():
        check_places(path)
    return path


def _root(folder: Path) -> Path:
    """The folder that links may not leave: that of the repository, in the hub's cache."""
    resolved = folder.resolve()
    for inner in (resolved, *resolved.parents):
        if inner.parent.name == "snapshots" and inner.parent.parent.name.startswith("models--"):
            return inner.parent.parent
    return resolved


def _check_link(path: Path, root: Path) -> None:
    try:
        target = path.resolve(strict=True)
        mode = target.stat().st_mode
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "a circle of links"
        raise InputError(f"{path}: is a link that cannot be followed ({reason})") from None
    if not target.is_relative_to(root):
        raise InputError(
            f"{path}: is a link that leads out of the folder of the model; copy the file there"
        )
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: is not a plain file; remove it")
