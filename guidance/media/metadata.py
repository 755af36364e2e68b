"""The configuration embedded in PNG, MP4 and GLB files.

Formats are detected by their first bytes, never by their names. No image is decoded and no buffer
of a mesh is read: only the chunk that holds the text, within limits on its size.
"""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.media.formats import MOV, Readable
from guidance.texts import encodable

KEY = "guidance"
#: A configuration is a few thousand characters.
MAX_TEXT = 2**20
#: Meshes describe their buffers in JSON; ours are a few kilobytes.
MAX_GLB_JSON = 2**26
MAX_CHUNKS = 100_000
#: First bytes of formats that runs do not write or that lose the configuration.
WITHOUT = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"RIFF", "WebP"),
    (b"\x1aE\xdf\xa3", "WebM"),
    (b"%PDF", "PDF"),
    (b"ply\n", "PLY"),
    (b"ply\r", "PLY"),
    (b"\x93NUMPY", "NumPy"),
    (b"PK\x03\x04", "ZIP"),
)
#: Brands of still pictures in the container of MP4.
STILLS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
PNG = b"\x89PNG\r\n\x1a\n"
GLB = b"glTF"
JSON_CHUNK = b"JSON"


def embed(content: bytes, text: str) -> bytes:
    """Embeds a text into the content of a PNG or GLB file; other formats are returned unchanged."""
    if content.startswith(PNG):
        return _embed_png(content, encodable(text))
    if content.startswith(GLB):
        return _embed_glb(content, encodable(text))
    return content


def carries(path: Path) -> bool:
    """Whether a file is an image, a video or a mesh rather than text, by its first bytes."""
    refuse_special_file(path)
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except PermissionError:
        raise InputError(f"{path}: cannot be read; change its permissions") from None
    return start.startswith((PNG, GLB)) or start[4:8] == b"ftyp" or _without(start) is not None


def _without(start: bytes) -> str | None:
    """The name of a format that carries no configuration."""
    if start[4:8] == b"ftyp" and start[8:12] in STILLS:
        return "AVIF" if start[8:12].startswith(b"avi") else "HEIC"
    return next((name for magic, name in WITHOUT if start.startswith(magic)), None)


def extract(path: Path) -> dict[str, Any]:
    """Reads the configuration embedded in a file, as a mapping of options.

    Raises:
        InputError: no such file, another format, damaged, or without a configuration.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give an image, video or mesh of a run")
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        if (name := _without(start)) is not None:
            raise InputError(
                f"{path}: {name} carries no configuration; give the PNG, MP4 or GLB of the run, or "
                "its config.yaml"
            )
        try:
            if start.startswith(PNG):
                text = _extract_png(file)
            elif start.startswith(GLB):
                text = _extract_glb(file)
            elif start[4:8] == b"ftyp":
                text = _extract_mp4(file)
            else:
                raise InputError(
                    f"{path}: is not a PNG, MP4 or GLB file; only these hold a configuration"
                )
            values = json.loads(text) if text is not None else None
        except (ValueError, struct.error, RecursionError, zlib.error, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: is damaged; its configuration cannot be read") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: has no embedded configuration; it was made by another program, or with "
            "--no-metadata"
        )
    return values


def _embed_png(content: bytes, text: str) -> bytes:
    """Inserts an iTXt chunk after the header; the pixels are not changed."""
    # Keyword, no compression (2 bytes), no language, no translated keyword, UTF-8.
    body = KEY.encode() + b"\0\0\0\0\0" + text.encode()
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    header_end = len(PNG) + 25
    return content[:header_end] + chunk + content[header_end:]


def _extract_png(file: Readable) -> str | None:
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


def _glb_json(file: Readable) -> dict[str, Any]:
    magic, version, _, length, kind = struct.unpack("<4sIII4s", file.read(20))
    if magic != GLB or version != 2 or kind != JSON_CHUNK or length > MAX_GLB_JSON:
        raise ValueError("not a GLB of version 2")
    described = json.loads(file.read(length))
    if not isinstance(described, dict):
        raise ValueError("not a JSON object")
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


def _extract_glb(file: Readable) -> str | None:
    text = _glb_json(file).get("asset", {}).get("extras", {}).get(KEY)
    return text if isinstance(text, str) and len(text) <= MAX_TEXT else None


def _extract_mp4(file: Readable) -> str | None:
    from guidance.media.video_bounds import check_samples
    from guidance.media.video_stream import DAMAGED, metadata

    try:
        check_samples(file, MOV)
        text = metadata(file, MOV.demuxer).get("comment")
    except DAMAGED:
        raise ValueError("not an MP4") from None
    return text if text is not None and len(text) <= MAX_TEXT and text.startswith("{") else None
