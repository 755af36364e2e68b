"""Images that are small and claim, or unpack to, far more than a reader should hold."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from benchmarks.reliability.inputs.mutate import PNG, png_chunk


def png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", data or zlib.compress(bytes(height * (width + 1) % 2**20)))
    return PNG + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def _deflated(megabytes: int) -> bytes:
    """A stream that unpacks to that many zeros."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def _gif(width: int, height: int, frames: int) -> bytes:
    """Frames that repeat one code; each has its own position, so that no two are the same."""
    lzw = b"\x02\x16" + b"\x8c\x2d\x99\x87\x2a\x1c\xdc\x33\xa0\x02\x75\xec\x95\xfa\xa8\xde\x60" * 1
    lzw = lzw[:2] + lzw[2:].ljust(22, b"\0") + b"\0"
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + lzw
    control = b"\x21\xf9\x04\x00\x05\x00\x00\x00"
    start = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return start + (control + image) * frames + b"\x3b"


def _tiff(width: int, height: int, *, cyclic: bool = False) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    tags += [(278, height), (279, width * height % 2**32)]
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + directory + struct.pack("<I", 8 if cyclic else 0)


IMAGES: dict[str, Callable[[], bytes]] = {
    "pixels.png": lambda: png(60_000, 60_000),
    "long.png": lambda: png(2**31 - 1, 1),
    "over.png": lambda: png(30_000, 30_000, data=_deflated(900)),
    "chunks.png": lambda: png(8, 8, png_chunk(b"tEXt", b"a\0b") * 400_000),
    "empty-chunks.png": lambda: png(8, 8, png_chunk(b"IDAT", b"") * 400_000),
    "text.png": lambda: png(8, 8, png_chunk(b"zTXt", b"a\0\0" + _deflated(1500))),
    "texts.png": lambda: png(8, 8, png_chunk(b"zTXt", b"a\0\0" + _deflated(8)) * 2000),
    "profile.png": lambda: png(8, 8, png_chunk(b"iCCP", b"a\0\0" + _deflated(1500))),
    "pixels.bmp": lambda: (
        b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 65_000, 65_000, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "pixels.ppm": lambda: b"P6 100000 100000 255\n" + bytes(3000),
    "digits.ppm": lambda: b"P6 " + b"9" * 10_000_000 + b" 1 255\n",
    "pixels.tif": lambda: _tiff(100_000, 100_000),
    "cyclic.tif": lambda: _tiff(8, 8, cyclic=True) + bytes(64),
    "pixels.gif": lambda: _gif(65_535, 65_535, 1),
    "frames.gif": lambda: _gif(2_000, 2_000, 899),
    "many-frames.gif": lambda: _gif(8, 8, 200_000),
    "pixels.webp": lambda: (
        b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10)
        + b"\x02\0\0\0" + b"\xff\xff\xff" * 2
    ),
}  # fmt: skip
