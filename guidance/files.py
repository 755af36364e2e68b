"""Files that users name: only plain ones are opened.

Opening a named pipe waits until another program writes to it, a device may have no end, and reading
a folder fails with another error on each system.
"""

from __future__ import annotations

import stat
from pathlib import Path

from guidance.errors import InputError

#: What a path may be instead of a plain file.
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def refuse_special_file(path: Path, name: str = "") -> None:
    """Checks that a path is a plain file, or that there is nothing.

    A missing path passes: the reader of the file reports it.

    Args:
        name: names the file in messages; by default its path.

    Raises:
        InputError: a folder, a named pipe, a device or a socket; or the path cannot be looked up.
    """
    name = name or str(path)
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:  # a name that is too long, a loop of links, no permission
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{name:.200}: cannot be opened: {reason}") from None
    except ValueError:
        raise InputError(f"{name!r:.200}: contains a null character; remove it") from None
    if kind != stat.S_IFREG:
        what = KINDS.get(kind, "something else")
        raise InputError(f"{name}: is not a plain file but {what}; give the path of a file")
