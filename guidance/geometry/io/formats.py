"""The format of a mesh file, detected from its content, and checks before it is read."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Literal

import numpy as np

from guidance.errors import InputError
from guidance.files import refuse_special_file

Format = Literal["glb", "ply", "stl", "off", "obj"]

MAX_BYTES = 256 * 2**20
MAX_VERTICES = 1_000_000
MAX_FACES = 2_000_000
#: Bytes of a text file that are searched to detect its format.
HEAD = 2**16
#: What to do about a path that is not a mesh file.
USE_A_MESH = "use a mesh file (OBJ, PLY, STL, GLB or OFF)"
#: A binary STL: bytes before the faces, a face, and how many are looked at to detect it.
STL_HEADER, LOOKED_AT = 84, 1000
STL_FACE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])

ARCHIVES = {
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
}


def read_mesh_file(path: Path) -> bytes:
    """The content of a regular file of at most `MAX_BYTES`.

    Raises:
        InputError: the file is missing, a folder, unreadable, empty or too large.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; {USE_A_MESH}")
    refuse_special_file(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; {USE_A_MESH} or the name of a built-in shape")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: is empty; {USE_A_MESH}")
    if size > MAX_BYTES:
        raise InputError(
            f"{path}: has {size / 2**20:,.0f} MiB, more than the limit of "
            f"{MAX_BYTES / 2**20:.0f} MiB; simplify the mesh first"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def find_format(content: bytes, where: str) -> Format:
    """The format, detected from the content; the extension of the file is ignored.

    Args:
        content: without a byte order mark.

    Raises:
        InputError: an archive, an unsupported format, or not a mesh.
    """
    for start, kind in ARCHIVES.items():
        if content.startswith(start):
            raise InputError(f"{where}: is {kind}; unpack it and use the mesh file inside")
    if content.startswith(b"glTF"):
        return "glb"
    if re.match(rb"ply\s", content, re.IGNORECASE):
        return "ply"
    head = content[:HEAD]
    if is_binary_stl(content) or _is_text_stl(head):
        return "stl"
    if re.match(rb"\s*(?:#[^\r\n]*[\r\n]\s*)*(?:ST)?C?N?4?n?OFF[\s\d]", head, re.IGNORECASE):
        return "off"
    if head.lstrip().startswith(b"{") and b'"asset"' in head:
        raise InputError(f"{where}: is a .gltf, which refers to other files; export it as .glb")
    if re.search(rb"(?:^|[\r\n])[ \t]*v[ \t]+(?:\\[\r\n]+[ \t]*)*[-+.\dnNiI]", head):
        return "obj"
    raise InputError(f"{where}: is not a mesh in a known format; {USE_A_MESH}")


def is_binary_stl(content: bytes) -> bool:
    """Whether the size matches the number of faces, or what follows looks like faces.

    The first 80 bytes are arbitrary, the number of faces follows, then 50 bytes for each: normal,
    corners, attributes.
    """
    if len(content) < STL_HEADER + STL_FACE.itemsize:
        return False
    size = len(content) - STL_HEADER
    if STL_FACE.itemsize * int(struct.unpack_from("<I", content, 80)[0]) == size:
        return True
    if _is_text_stl(content[:HEAD]) or b"\0" not in content[STL_HEADER:HEAD]:
        return False
    count = min(LOOKED_AT, size // STL_FACE.itemsize)
    faces = np.frombuffer(content, STL_FACE, count, STL_HEADER)
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(faces["normal"].astype(np.float64), axis=1)
        corners = np.abs(faces["corners"].astype(np.float64))
        normals = (lengths < 1e-6) | (np.abs(lengths - 1) < 0.01)
        usual = (corners == 0) | ((corners > 1e-20) & (corners < 1e20))
    return bool(normals.all() and usual.all() and corners.any())


def _is_text_stl(head: bytes) -> bool:
    return re.match(rb"\s*solid\b", head, re.IGNORECASE) is not None and b"facet" in head.lower()


def check_counts(vertices: int, faces: int, where: str) -> None:
    """Checks that a mesh is neither empty nor too large, before it is built.

    Raises:
        InputError: no vertices or faces, or more than `MAX_VERTICES` or `MAX_FACES`.
    """
    if vertices > MAX_VERTICES or faces > MAX_FACES:
        raise InputError(
            f"{where}: has {vertices:,} vertices and {faces:,} faces, more than the limits of "
            f"{MAX_VERTICES:,} and {MAX_FACES:,}; simplify the mesh first"
        )
    if vertices == 0:
        raise InputError(f"{where}: has no vertices; export a mesh with triangles or polygons")
    if faces == 0:
        raise InputError(
            f"{where}: has no faces, and points and lines are not rendered; export a mesh with "
            "triangles or polygons"
        )


def check_claims(vertices: int, faces: int, size: int, where: str) -> None:
    """Checks the counts in a header against the limits and the file size, before reading.

    Raises:
        InputError: the counts are impossible or too large.
    """
    check_counts(vertices, faces, where)
    # In each format, a vertex or face takes at least one byte.
    if vertices + faces > size:
        raise InputError(
            f"{where}: the header declares {vertices:,} vertices and {faces:,} faces, but the file "
            f"has {size:,} bytes; the file is damaged or truncated, export it again"
        )
