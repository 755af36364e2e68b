"""The folder of a run: its name and place, and the lock that lets only one process write to it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guidance.errors import InputError
from guidance.prompts import Prompt, plain_text
from guidance.runs.atomic import os_errors, sync_folder, write_text
from guidance.runs.links import check_links

SLUG_LENGTH = 40
CONFIG, DONE, METRICS = "config.yaml", "DONE.json", "metrics.jsonl"
ENVIRONMENT, LOCK = "environment.json", ".lock"
#: Folders of runs are created under a temporary name. After a minute, their process is dead.
UNBORN, SECONDS_UNBORN = ".new-", 60.0


class AnotherWriter(InputError):
    """Another process holds the lock of a folder."""


def slug(text: str) -> str:
    """Turns a text into a part of a file name: lower-case letters, digits and single hyphens.

    Letters of all scripts are kept, Latin ones without accents, and emoji become their names. Only
    ASCII is kept where the names of files cannot have other letters.
    """
    plain = "".join(map(_plain_letter, unicodedata.normalize("NFC", text))).lower()
    try:
        os.fsencode(plain)
    except UnicodeEncodeError:
        plain = plain.encode("ascii", "replace").decode()
    words = "".join(letter if _is_of_a_word(letter) else " " for letter in plain).split()
    words = [word for word in words if any(map(str.isalnum, word))]  # not marks alone
    return "-".join(words)[:SLUG_LENGTH].rstrip("-") or "run"


def _plain_letter(letter: str) -> str:
    if unicodedata.category(letter) == "So" and letter > "\u2000":
        return f" {unicodedata.name(letter, '')} "
    base = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return base or letter


def _is_of_a_word(letter: str) -> bool:
    """Whether a character is a letter, a digit, or a mark that belongs to a letter."""
    return unicodedata.category(letter)[0] in "LNM" and letter.isprintable()


def check_writable(output: Path) -> None:
    """Checks that folders can be created in `output`, before anything is computed.

    Raises:
        InputError: the nearest existing part of the path is a file, or not writable.
    """
    place = output.expanduser().absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"output {output}: {place} is a file, not a folder; choose another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"output {output}: no permission to write in {place}; choose another")


def new_folder(output: Path, task: str, prompt: Prompt, config: str) -> Path:
    """Creates `output/<task>/<time>-<slug>`, with a number appended if that exists.

    The folder appears together with its config.yaml, so every existing run can be resumed.
    """
    check_writable(output)
    parent = output.expanduser() / slug(task)
    base = parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(plain_text(prompt))}"
    with os_errors(base):
        parent.mkdir(parents=True, exist_ok=True)
        _remove_unborn(parent)
        aside = Path(tempfile.mkdtemp(prefix=UNBORN, dir=parent))
        try:
            aside.chmod(0o755)
            write_text(aside / CONFIG, config)
            for number in range(1, 10_000):
                folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
                # A rename never replaces a folder that is not empty.
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
    raise InputError(f"{base}: 10,000 folders of this name exist; choose another --output")


def existing_folder(folder: Path) -> Path:
    """Checks that a path given by the user is the folder of a run.

    Raises:
        InputError: it is not, or it holds links.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the folder of a run")
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: has no {CONFIG}, so it is not the folder of a run")
    with os_errors(folder):
        check_links(folder)
    return folder


def folder_around(path: Path) -> Path | None:
    """The run folder that a file lies in: at its top, or in the folder of a sample."""
    around = path.expanduser().absolute().parents
    return next((folder for folder in around[:3] if (folder / CONFIG).is_file()), None)


def sample_folder(folder: Path, sample: int, num_samples: int) -> Path:
    """The folder of a sample's files: the run's folder if it is the only sample."""
    return folder if num_samples == 1 else folder / "samples" / f"{sample:03d}"


def remove_remains(folder: Path) -> None:
    """Removes temporary files that a killed process left behind."""
    with os_errors(folder):
        for path in [*folder.glob(".*.tmp"), *folder.glob("samples/*/.*.tmp")]:
            if path.is_file():
                path.unlink()
        for path in [*folder.glob(".export-*"), *folder.glob("samples/*/.export-*")]:
            if path.is_dir():
                shutil.rmtree(path)
        _remove_unborn(folder.absolute().parent)


def _remove_unborn(parent: Path) -> None:
    """Removes folders of runs that were killed before they got their name.

    A folder is only removed if it holds nothing but a configuration and is older than the moment
    that another process needs to name it.
    """
    for path in parent.glob(f"{UNBORN}*"):
        with contextlib.suppress(OSError):  # another process was faster
            if path.is_symlink() or time.time() - path.stat().st_mtime < SECONDS_UNBORN:
                continue
            if all(p.name == CONFIG or p.match(f".{CONFIG}.*.tmp") for p in path.iterdir()):
                shutil.rmtree(path)


def contained(folder: Path, path: Path) -> Path:
    """Resolves a path that must lie in a folder.

    Raises:
        InputError: it leads out of the folder.
    """
    resolved = path.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise InputError(f"{path}: leads out of {folder}, which is not allowed")
    return resolved


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds a lock on a run folder, which the system releases when the process ends.

    The empty lock file stays in the folder: were it deleted, a process that has already opened it
    could hold the old file while another locks a new one.

    Raises:
        InputError: another process holds the lock, or the folder is not writable.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    with os_errors(folder):
        try:
            lock.acquire()
        except Timeout:
            raise AnotherWriter(
                f"{folder}: another process writes to this run; wait for it, or stop it"
            ) from None
    try:
        yield
    finally:
        lock.release()
