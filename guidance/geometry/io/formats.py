"""Which format a mesh file is in, told from its content, and whether it is worth reading."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Literal

from guidance.errors import InputError

Format = Literal["glb", "ply", "stl", "off", "obj"]

MAX_BYTES = 256 * 2**20
MAX_VERTICES = 1_000_000
MAX_FACES = 2_000_000
#: How much of a text file is looked at to tell what it is.
LOOK = 2**16

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
    """The file's content, if it is a plain file of a size that can be a mesh.

    Raises:
        InputError: missing, a folder, unreadable, empty or too large.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a mesh file (OBJ, PLY, STL, GLB or OFF)")
    if not path.exists():
        raise InputError(f"{path}: no such file; give a mesh file or the name of a built-in shape")
    if not path.is_file():
        raise InputError(f"{path}: is not a plain file; give a mesh file (OBJ, PLY, STL, GLB, OFF)")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: is empty; give a mesh file (OBJ, PLY, STL, GLB or OFF)")
    if size > MAX_BYTES:
        raise InputError(
            f"{path}: {size / 2**20:,.0f} MiB are more than the {MAX_BYTES / 2**20:.0f} that are "
            "read; simplify the mesh first"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check it") from error


def find_format(content: bytes, where: str) -> Format:
    """The format by the first bytes; a name's extension may say anything.

    Raises:
        InputError: an archive, a format that is not read, or no mesh at all.
    """
    for start, kind in ARCHIVES.items():
        if content.startswith(start):
            raise InputError(f"{where}: is {kind}; unpack it and give the mesh inside")
    if content.startswith(b"glTF"):
        return "glb"
    if re.match(rb"ply\s", content):
        return "ply"
    if _is_binary_stl(content):
        return "stl"
    head = content[:LOOK]
    if re.match(rb"\s*solid\b", head) and b"facet" in head:
        return "stl"
    if re.match(rb"\s*(?:#[^\n]*\n\s*)*C?OFF\s", head):
        return "off"
    if head.lstrip().startswith(b"{") and b'"asset"' in head:
        raise InputError(f"{where}: a .gltf keeps its data in other files; export it as .glb")
    if re.search(rb"^[ \t]*v[ \t]+[-+.\dnNiI]", head, re.MULTILINE):
        return "obj"
    raise InputError(f"{where}: is no mesh of a known format (OBJ, PLY, STL, GLB, OFF)")


def check_counts(vertices: int, faces: int, where: str) -> None:
    """Refuses meshes that are too large for an optimization, before they are built.

    Raises:
        InputError: more vertices or faces than the caps; none.
    """
    if vertices > MAX_VERTICES or faces > MAX_FACES:
        raise InputError(
            f"{where}: {vertices:,} vertices and {faces:,} faces are more than the "
            f"{MAX_VERTICES:,} and {MAX_FACES:,} that are read; simplify the mesh first"
        )
    if vertices == 0:
        raise InputError(f"{where}: has no vertices; it is an empty mesh")
    if faces == 0:
        raise InputError(f"{where}: has no faces; points and lines cannot be rendered")


def check_claims(content: bytes, kind: Format, where: str) -> tuple[int, int]:
    """Compares what a header claims with the caps and the file's size, before anything is built.

    OBJ makes no claims; GLB's are checked where it is read.

    Returns:
        Vertices and faces that must be found, 0 where nothing is claimed.

    Raises:
        InputError: claims that cannot be true, or that are too large.
    """
    if kind == "ply":
        header = content.split(b"end_header", 1)[0]
        found = dict(re.findall(rb"^element\s+(\w+)\s+(\d+)", header, re.MULTILINE))
        vertices, faces = int(found.get(b"vertex", 0)), int(found.get(b"face", 0))
    elif kind == "stl" and _is_binary_stl(content):
        faces = struct.unpack_from("<I", content, 80)[0]
        vertices = min(3 * faces, MAX_VERTICES)  # they are merged: there are about half as many
    elif kind == "off":
        match = re.match(rb"(?:\s*#[^\n]*\n)*\s*C?OFF\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)", content)
        if match is None:
            raise InputError(f"{where}: its OFF header gives no numbers of vertices and faces")
        vertices, faces = int(match[1]), int(match[2])
    else:
        return 0, 0
    check_counts(vertices, faces, where)
    # A vertex takes at least 3 bytes in any of these, "0 0 0" in a line the least of text.
    if vertices + faces > len(content):
        raise InputError(
            f"{where}: claims {vertices:,} vertices and {faces:,} faces in {len(content):,} bytes; "
            "it is damaged or cut off"
        )
    return (0 if kind == "stl" else vertices), faces


def _is_binary_stl(content: bytes) -> bool:
    """80 bytes of anything, the number of faces, and 50 bytes for each."""
    if len(content) < 84:
        return False
    return len(content) == 84 + 50 * int(struct.unpack_from("<I", content, 80)[0])
