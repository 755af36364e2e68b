"""Reads the motions of a file, whatever its format."""

from __future__ import annotations

from pathlib import Path

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.motion.files.bvh import read_bvh
from guidance.motion.files.glb import read_glb_animations
from guidance.motion.files.npz import read_npz
from guidance.motion.motion import Motion
from guidance.motion.retarget import retarget

SUFFIXES = (".bvh", ".glb", ".npz")
MAX_BYTES = 512 * 2**20


def read_motions(path: str | Path) -> list[Motion]:
    """All motions of a BVH, GLB or NPZ file, at 30 fps on the canonical skeleton.

    The content decides on the format, never the name.

    Raises:
        InputError: the file cannot be read, or shows no person.
    """
    path = Path(path)
    where = str(path)
    refuse_special_file(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{where}: is larger than {MAX_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror or error}") from None
    if content[:4] == b"glTF":
        return [retarget(recording, where) for recording in read_glb_animations(content, where)]
    if content[:2] == b"PK":
        return [read_npz(content, where, path.stem)]
    if content[:200].lstrip(b"\xef\xbb\xbf \r\n\t")[:9].upper() == b"HIERARCHY":
        return [retarget(read_bvh(content, where, path.stem), where)]
    raise InputError(f"{where}: is neither BVH, GLB nor NPZ")
