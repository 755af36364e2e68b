"""Bodies by name or file."""

from __future__ import annotations

from pathlib import Path

from guidance.body.body import Body
from guidance.body.capsule import capsule_body
from guidance.errors import InputError

BUILT_IN = {"capsule": capsule_body}


def load_body(source: str | Path = "capsule") -> Body:
    """The body of a name ("capsule") or of a file.

    Raises:
        InputError: there is neither a built-in body nor a readable file of this name.
    """
    if str(source) in BUILT_IN:
        return BUILT_IN[str(source)]()
    raise InputError(f"body {str(source)!r} is neither {' nor '.join(BUILT_IN)} nor a file")
