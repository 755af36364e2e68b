"""The format of a mesh file, detected from its content, and checks before it is read."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Literal

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

    Raises:
        InputError: an archive, an unsupported format, or not a mesh.
    """
    for start, kind in ARCHIVES.items():
        if content.startswith(start):
            raise InputError(f"{where}: is {kind}; unpack it and use the mesh file inside")
    if content.startswith(b"glTF"):
        return "glb"
    if re.match(rb"ply\s", content):
        return "ply"
    if _is_binary_stl(content):
        return "stl"
    head = content[:HEAD]
    if re.match(rb"\s*solid\b", head) and b"facet" in head:
        return "stl"
    if re.match(rb"\s*(?:#[^\n]*\n\s*)*C?OFF\s", head):
        return "off"
    if head.lstrip().startswith(b"{") and b'"asset"' in head:
        raise InputError(f"{where}: is a .gltf, which refers to other files; export it as .glb")
    if re.search(rb"^[ \t]*v[ \t]+[-+.\dnNiI]", head, re.MULTILINE):
        return "obj"
    raise InputError(f"{where}: is not a mesh in a known format; {USE_A_MESH}")


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


def check_claims(content: bytes, kind: Format, where: str) -> tuple[int, int]:
    """Checks the counts in the header against the limits and the file size, before reading.

    OBJ has no header; the counts of a GLB are checked by `read_glb`.

    Returns:
        The number of vertices and faces that the file must contain, 0 if unknown.

    Raises:
        InputError: the counts are impossible or too large.
    """
    if kind == "ply":
        header = content.split(b"end_header", 1)[0]
        found = dict(re.findall(rb"^element\s+(\w+)\s+(\d+)", header, re.MULTILINE))
        vertices, faces = int(found.get(b"vertex", 0)), int(found.get(b"face", 0))
    elif kind == "stl" and _is_binary_stl(content):
        faces = struct.unpack_from("<I", content, 80)[0]
        vertices = min(3 * faces, MAX_VERTICES)  # merging leaves about half as many as faces
    elif kind == "off":
        match = re.match(rb"(?:\s*#[^\n]*\n)*\s*C?OFF\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)", content)
        if match is None:
            raise InputError(
                f"{where}: the OFF header has no vertex and face counts; export the mesh again"
            )
        vertices, faces = int(match[1]), int(match[2])
    else:
        return 0, 0
    check_counts(vertices, faces, where)
    # In each of these formats, a vertex or face takes at least one byte.
    if vertices + faces > len(content):
        raise InputError(
            f"{where}: the header declares {vertices:,} vertices and {faces:,} faces, but the file "
            f"has {len(content):,} bytes; the file is damaged or truncated, export it again"
        )
    return (0 if kind == "stl" else vertices), faces


def _is_binary_stl(content: bytes) -> bool:
    """Whether the size matches: 80 arbitrary bytes, the number of faces, 50 bytes per face."""
    if len(content) < 84:
        return False
    return len(content) == 84 + 50 * int(struct.unpack_from("<I", content, 80)[0])
