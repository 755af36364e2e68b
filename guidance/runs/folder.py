"""The folder of a run: its name, its place, and that only one process writes to it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guidance.errors import InputError
from guidance.prompts import plain_text
from guidance.runs.atomic import os_errors, sync_folder, write_text

SLUG_LENGTH = 40
CONFIG, DONE, METRICS = "config.yaml", "DONE.json", "metrics.jsonl"
ENVIRONMENT = "environment.json"


def slug(prompt: str) -> str:
    """A prompt as a part of a file name: lower-case letters, digits and single hyphens only."""
    plain = unicodedata.normalize("NFKD", plain_text(prompt)).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    return "-".join(words)[:SLUG_LENGTH].rstrip("-") or "run"


def check_writable(output: Path) -> None:
    """Refuses a place where no folder can be made, before anything is computed.

    Raises:
        InputError: the nearest existing part of the path is a file, or may not be written.
    """
    place = output.expanduser().absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"output {output}: {place} is a file, not a folder; give another --output")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"output {output}: no permission to write in {place}; give another")


def new_folder(output: Path, task: str, prompt: str, config: str) -> Path:
    """Makes `output/<task>/<time>-<slug>`, with a number behind it where that is taken.

    The folder appears together with its config.yaml, so whatever is there can be resumed.
    """
    check_writable(output)
    parent = output.expanduser() / slug(task)
    base = parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(prompt)}"
    with os_errors(base):
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            aside.chmod(0o755)
            write_text(aside / CONFIG, config)
            for number in range(1, 10_000):
                folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
                # A folder that holds something is never replaced by a rename.
                try:
                    aside.rename(folder)
                except OSError as error:
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                        continue
                    raise
                sync_folder(parent)
                return folder
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    raise InputError(f"{base}: is taken 10,000 times; give another --output")


def existing_folder(folder: Path) -> Path:
    """A run's folder that a user names.

    Raises:
        InputError: it is not one.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a run")
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: has no {CONFIG}, so it is not the folder of a run")
    return folder


def sample_folder(folder: Path, sample: int, num_samples: int) -> Path:
    """The folder of a sample's files: the run's folder if it is the only sample."""
    return folder if num_samples == 1 else folder / "samples" / f"{sample:03d}"


def remove_remains(folder: Path) -> None:
    """Removes what a killed process left of files that it was just writing."""
    for path in [*folder.glob(".*.tmp"), *folder.glob("samples/*/.*.tmp")]:
        path.unlink()
    for path in [*folder.glob(".export-*"), *folder.glob("samples/*/.export-*")]:
        shutil.rmtree(path)


def contained(folder: Path, path: Path) -> Path:
    """The resolved path, if it lies in the folder.

    Raises:
        InputError: it leads out of the folder.
    """
    resolved = path.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise InputError(f"{path}: leads out of {folder}; that is not allowed")
    return resolved


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds a lock on the folder that ends with the process, however it ends.

    Raises:
        InputError: another process holds it.
    """
    if sys.platform == "win32":  # it has no such lock on folders
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process writes to it; wait, or stop it") from None
        yield
    finally:
        os.close(handle)
