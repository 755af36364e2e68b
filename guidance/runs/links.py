"""Run folders that hold links: refused, so that nothing outside of the folder is ever written.

Runs create plain files and folders only. In a folder that came from elsewhere, `metrics.jsonl` or
`preview` could be links, and resuming would empty or delete what they lead to.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from guidance.errors import InputError

#: Files and folders in a run: 1024 samples with about ten files each, and 60 frames.
MOST_ENTRIES = 200_000


def check_links(folder: Path) -> None:
    """Checks that a run folder consists of plain files and folders.

    Raises:
        InputError: it holds a link, a file that has another name outside of the folder (a hard
            link), a pipe or a device, or more entries than a run.
    """
    names: dict[tuple[int, int], int] = defaultdict(int)
    shared: dict[tuple[int, int], tuple[str, int]] = {}
    for count, entry in enumerate(_entries(folder)):
        if count >= MOST_ENTRIES:
            raise InputError(
                f"{folder}: has more than {MOST_ENTRIES} files, so it is not the folder of a run"
            )
        if entry.is_symlink():
            raise _refused(folder, entry.path)
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            identity = (found.st_dev, found.st_ino)
            names[identity] += 1
            shared[identity] = (entry.path, found.st_nlink)
        elif not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise InputError(f"{entry.path}: is not a plain file; delete it")
    for identity, (path, links) in shared.items():
        if names[identity] < links:
            raise InputError(
                f"{path}: leads out of the folder: the file has another name elsewhere (a hard "
                f"link); use a copy of the folder: cp -r {folder} COPY"
            )


def _refused(folder: Path, path: str) -> InputError:
    inside = Path(os.path.realpath(path)).is_relative_to(folder.resolve())
    where = "is a link within the folder" if inside else "leads out of the folder"
    return InputError(
        f"{path}: {where}, which is not allowed in the folder of a run; replace the link by a copy"
    )


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything in a folder, without following links."""
    waiting = [os.fspath(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
