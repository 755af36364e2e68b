"""Counts the parts of image files before they are decoded.

Pillow walks through chunks, segments and tags in Python and reads all of them, so a small file can
keep it busy for minutes or fill the memory. What is counted here takes milliseconds.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from itertools import count

from guidance.media.formats import Readable

#: The most pixels of an image, read from the header before anything is decoded: 64 megapixels.
MAX_PIXELS = 2**26
#: The most chunks, segments, blocks or tags. An image of `MAX_PIXELS` has some ten thousand chunks
#: of compressed pixels, and a photograph some dozens of others.
MAX_PARTS, MAX_OTHERS = 2**16, 2**11
#: The most pixels times scans of a progressive JPEG, in which each scan passes over all pixels.
MAX_SCANNED = 2**30
#: The most bytes of TIFF tags: profiles, EXIF and the offsets of strips.
MAX_TAGS = 2**25
#: The most bytes of text formats and of run lengths, which Pillow decodes in Python.
MAX_SLOW = 2**24
#: Bytes of one value of each TIFF type.
TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
TIFF_BYTES |= {16: 8, 17: 8, 18: 8}
TILE_WIDTH, TILE_LENGTH = 322, 323


class TooLarge(ValueError):
    """What a file has too much of, as the end of a message."""


def check_parts(file: Readable, form: str) -> None:
    """Refuses files whose parts would take long to read; the file is then at its start.

    Args:
        form: the format, from the content.

    Raises:
        TooLarge: too many parts.
        ValueError, struct.error: the file is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if form in CHECKS:
        CHECKS[form](file, size)
    file.seek(0)


def check_pixels(width: int, height: int) -> None:
    """Raises TooLarge for more than `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise TooLarge(
            f"{width} x {height} pixels are more than the {MAX_PIXELS // 10**6} million that are "
            "read; shrink it first"
        )


#: Chunks of a PNG that determine its pixels.
PNG_CRITICAL = (b"IHDR", b"PLTE", b"IDAT")


def _png(file: Readable, size: int) -> None:
    file.seek(8)
    others = 0
    for number in count():
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        others += head[4:] not in (b"IDAT", b"fdAT")
        _check_parts(number, MAX_PARTS, "chunks")
        _check_parts(others, MAX_OTHERS, "chunks beside those of pixels")
        length = int.from_bytes(head[:4])
        if head[4:] not in PNG_CRITICAL:
            file.seek(length + 4, 1)
            continue
        content, checksum = file.read(length), file.read(4)
        if len(checksum) == 4 and zlib.crc32(head[4:] + content) != int.from_bytes(checksum):
            # Pillow would decode changed pixels without a word.
            raise ValueError(f"the checksum of a chunk {head[4:].decode()} is wrong")


def check_png_chunks(content: bytes) -> None:
    """Checks that a PNG is complete and that no byte of it was changed.

    Raises:
        ValueError: a checksum is wrong, or the file does not end with its last chunk.
    """
    at, name = 8, b""
    while name != b"IEND":
        length, name = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(
            content[end - 4 : end]
        ):
            raise ValueError("a checksum is wrong, or it is truncated")
        at = end
    if at != len(content):
        raise ValueError("it has bytes behind its end")


#: A marker inside the compressed pixels of a JPEG that ends them: neither a stuffed byte nor one of
#: the restart markers.
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _jpeg(file: Readable, size: int) -> None:
    content = file.read()
    at, scans, pixels = 2, 0, 0
    for number in count():
        if content[at : at + 1] != b"\xff" or content[at + 1 : at + 2] == b"\xd9":
            return
        marker = content[at + 1 : at + 2]
        if marker in (b"\xff", b"\x01"):  # a fill byte, or a marker without content
            at += 1 if marker == b"\xff" else 2
            continue
        _check_parts(number, MAX_OTHERS, "segments")
        if marker[0] in range(0xC0, 0xC3):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            check_pixels(width, height)
            pixels = max(pixels, width * height)
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
        if marker == b"\xda":
            scans += 1
            if scans * pixels > MAX_SCANNED:
                raise TooLarge(f"has {scans} scans or more; save it again as PNG")
            found = JPEG_MARKER.search(content, at)
            if found is None:
                return
            at = found.start()


def _gif(file: Readable, size: int) -> None:
    """Blocks up to the first image, the only one that is decoded here."""
    header = file.read(13)
    file.seek(3 << (header[10] & 7) + 1 if header[10] & 128 else 0, 1)
    blocks = 0
    while file.read(1) == b"!":
        file.seek(1, 1)
        while length := file.read(1):
            blocks += 1
            _check_parts(blocks, MAX_PARTS, "blocks")
            if length == b"\0":
                break
            file.seek(length[0], 1)


def _tiff(file: Readable, size: int) -> None:
    """The tags of the first image, whose values may overlap: a small file can claim gigabytes."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    (version,) = struct.unpack(order + "H", head[2:4])
    big = version == 43
    start = struct.unpack(order + "Q", head[8:16]) if big else struct.unpack(order + "I", head[4:8])
    file.seek(min(start[0], size))
    (entries,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    _check_parts(entries, MAX_OTHERS, "tags")
    total, tile = 0, {TILE_WIDTH: 1, TILE_LENGTH: 1}
    shape = order + ("HHQQ" if big else "HHII")
    for _ in range(entries):
        tag, kind, values, value = struct.unpack(shape, file.read(20 if big else 12))
        total += values * TIFF_BYTES.get(kind, 1)
        if tag in tile and values == 1:
            tile[tag] = value if kind != 3 or order == "<" else value >> (48 if big else 16)
    if total > MAX_TAGS:
        raise TooLarge(
            f"has {total >> 20} MiB of tags, more than the {MAX_TAGS >> 20} MiB that are read"
        )
    check_pixels(tile[TILE_WIDTH], tile[TILE_LENGTH])


def _bmp(file: Readable, size: int) -> None:
    head = file.read(34)
    if int.from_bytes(head[30:34], "little") in (1, 2):
        _check_slow(size, "run lengths")


def _ppm(file: Readable, size: int) -> None:
    if file.read(2) in (b"P1", b"P2", b"P3"):
        _check_slow(size, "text")


def _check_parts(number: int, most: int, what: str) -> None:
    if number > most:
        raise TooLarge(f"has more than {most:,} {what}; save it again as PNG")


def _check_slow(size: int, what: str) -> None:
    if size > MAX_SLOW:
        raise TooLarge(f"has {size >> 20} MiB of {what}; save it as PNG")


CHECKS: dict[str, Callable[[Readable, int], None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "GIF": _gif,
    "TIFF": _tiff,
    "BMP": _bmp,
    "PPM": _ppm,
}
