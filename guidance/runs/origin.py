"""Whether a run folder was written by this user, on this machine, at this place.

A configuration may name files: the mesh of a run, an image, a folder with weights. Those of a run
of one's own are used when it is resumed; those of a folder that came from elsewhere are not. The
environment.json of a run therefore holds a code that only the user's own key gives (HMAC-SHA256 of
the place and the configuration). The key lies in the user's state folder and leaves it never.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from guidance.errors import InputError, OutOfResources
from guidance.runs.atomic import write_bytes
from guidance.runs.folder import CONFIG, ENVIRONMENT
from guidance.runs.json_records import read_record

KEY_BYTES = 32


def origin_code(folder: Path, record: str = CONFIG) -> str | None:
    """The code of a folder with a record; None if the user's key cannot be stored."""
    key = _key()
    if key is None:
        return None
    config = hashlib.sha256((folder / record).read_bytes()).digest()
    place = os.fsencode(os.path.realpath(folder))
    return hmac.new(key, b"guidance run\0" + place + b"\0" + config, hashlib.sha256).hexdigest()


def code_of(folder: Path, text: str) -> str | None:
    """The code of a folder with a text; None if the user's key cannot be stored."""
    key = _key()
    place = os.fsencode(os.path.realpath(folder))
    content = b"guidance text\0" + place + b"\0" + text.encode("utf-8", "surrogatepass")
    return None if key is None else hmac.new(key, content, hashlib.sha256).hexdigest()


def is_own(folder: Path) -> bool:
    """Whether a run folder was written by this user here, and its configuration is as written.

    Raises:
        InputError: its environment.json is damaged.
    """
    path = folder / ENVIRONMENT
    if not path.is_file():
        return False
    said = read_record(path, "restore it, or start the run again").get("origin")
    return same_origin(said, origin_code(folder))


def same_origin(said: object, code: str | None) -> bool:
    """Whether a code in a record is that of this user."""
    return (
        isinstance(said, str)
        and code is not None
        and hmac.compare_digest(said.encode("utf-8", "replace"), code.encode())
    )


def _key() -> bytes | None:
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(home) / "guidance" / "origin.key"
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bytes(path, secrets.token_bytes(KEY_BYTES))
            path.chmod(0o600)
        key = path.read_bytes()
    except (OSError, RuntimeError, InputError, OutOfResources):  # RuntimeError: no home folder
        return None
    return key if len(key) == KEY_BYTES else None
