"""The configuration inside PNG, MP4 and GLB files, and back out of them.

Files are told apart by their first bytes, never by their names. Nothing of an image is decoded
and no buffer of a mesh is read: only the chunk that holds the text, within caps.
"""

from __future__ import annotations

import json
import struct
import zlib
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

from guidance.errors import InputError

KEY = "guidance"
#: A configuration is a few thousand characters.
MAX_TEXT = 2**20
#: Meshes describe their buffers in JSON; ours are a few kilobytes.
MAX_GLB_JSON = 2**26
MAX_CHUNKS = 100_000
PNG = b"\x89PNG\r\n\x1a\n"
GLB = b"glTF"
JSON_CHUNK = b"JSON"


def embed(content: bytes, text: str) -> bytes:
    """The same file with the text in it, where its format is one of ours; unchanged otherwise."""
    if content.startswith(PNG):
        return _embed_png(content, text)
    if content.startswith(GLB):
        return _embed_glb(content, text)
    return content


def carries(path: Path) -> bool:
    """Whether a file is of a format that can hold a configuration, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(12)
    return start.startswith((PNG, GLB)) or start[4:8] == b"ftyp"


def extract(path: Path) -> dict[str, Any]:
    """The configuration that a file brings along, as `as_mapping` of a task wrote it.

    Raises:
        InputError: no such file, another format, damaged, or nothing inside.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give an image, video or mesh that guide made")
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        try:
            if start.startswith(PNG):
                text = _extract_png(file)
            elif start.startswith(GLB):
                text = _extract_glb(file)
            elif start[4:8] == b"ftyp":
                text = _extract_mp4(path)
            else:
                raise InputError(f"{path}: is no PNG, MP4 or GLB; only these carry a configuration")
            values = json.loads(text) if text is not None else None
        except (ValueError, struct.error, RecursionError, zlib.error, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: is damaged; its configuration cannot be read") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: carries no configuration of guidance; it was made elsewhere, or with "
            "--no-metadata"
        )
    return values


def _embed_png(content: bytes, text: str) -> bytes:
    """Puts an iTXt chunk behind the header; pixels stay what they are."""
    # Keyword, no compression (2 bytes), no language, no translated keyword, UTF-8.
    body = KEY.encode() + b"\0\0\0\0\0" + text.encode()
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    header_end = len(PNG) + 25
    return content[:header_end] + chunk + content[header_end:]


def _extract_png(file: BufferedIOBase) -> str | None:
    file.seek(len(PNG))
    for _ in range(MAX_CHUNKS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IEND":
            return None
        if kind != b"iTXt" or length > MAX_TEXT:
            file.seek(length + 4, 1)
            continue
        body = file.read(length)
        keyword, _, rest = body.partition(b"\0")
        (crc,) = struct.unpack(">I", file.read(4))
        if keyword == KEY.encode():
            if crc != zlib.crc32(kind + body) or rest[:4] != b"\0\0\0\0":
                raise ValueError("damaged chunk")
            return rest[4:].decode()
    return None


def _glb_json(file: BufferedIOBase) -> dict[str, Any]:
    magic, version, _, length, kind = struct.unpack("<4sIII4s", file.read(20))
    if magic != GLB or version != 2 or kind != JSON_CHUNK or length > MAX_GLB_JSON:
        raise ValueError("no GLB of version 2")
    described = json.loads(file.read(length))
    if not isinstance(described, dict):
        raise ValueError("no description")
    return described


def _embed_glb(content: bytes, text: str) -> bytes:
    file = BytesIO(content)
    described = _glb_json(file)
    described.setdefault("asset", {"version": "2.0"}).setdefault("extras", {})[KEY] = text
    new = json.dumps(described, separators=(",", ":")).encode()
    new += b" " * (-len(new) % 4)  # chunks are aligned to four bytes
    rest = content[file.tell() :]
    total = 12 + 8 + len(new) + len(rest)
    return struct.pack("<4sIII4s", GLB, 2, total, len(new), JSON_CHUNK) + new + rest


def _extract_glb(file: BufferedIOBase) -> str | None:
    text = _glb_json(file).get("asset", {}).get("extras", {}).get(KEY)
    return text if isinstance(text, str) and len(text) <= MAX_TEXT else None


def _extract_mp4(path: Path) -> str | None:
    import av

    try:
        with av.open(str(path), format="mp4", metadata_errors="replace") as container:
            text = container.metadata.get("comment")
    except (av.FFmpegError, OSError):
        raise ValueError("no MP4") from None
    return text if text is not None and len(text) <= MAX_TEXT and text.startswith("{") else None
