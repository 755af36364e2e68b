"""Formats of image and video files, detected by their first bytes, never by their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import NamedTuple

from guidance.errors import InputError
from guidance.files import refuse_special_file

#: Open binary files.
Readable = BufferedReader | BytesIO
#: Bytes that `image_format` and `video_format` need: two sync bytes of a transport stream of
#: 192-byte packets, which start with a timestamp of 4 bytes.
START = 4 + 192 + 1
#: First bytes of image formats. Pillow reads more, some by starting other programs (EPS).
SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),  # and "WEBP" after the size
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PPM": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
}
#: Image formats that are read.
FORMATS = (*SIGNATURES, "AVIF")
#: Video formats that are read, as messages name them; animated GIFs are read as well.
VIDEO_FORMATS = "MP4, MOV, MKV, WebM, AVI, MPEG, TS, FLV and WMV"
#: Brands of files of the ISO base media format that hold still images.
AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
#: Major brands of other still images of this format.
STILL_BRANDS = {b"mif1", b"mif2", b"msf1", b"avci", b"avcs", b"jpeg"}
#: First bytes of other formats, which messages name.
OTHERS = {
    "HEIC": (),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "PSD": (b"8BPS",),
    "OpenEXR": (b"\x76\x2f\x31\x01",),
    "Radiance HDR": (b"#?RADIANCE", b"#?RGBE"),
    "PDF": (b"%PDF",),
    "SVG": (b"<svg",),
    "EPS": (b"%!PS",),
    "Ogg": (b"OggS",),
    "MP3": (b"ID3", b"\xff\xfb", b"\xff\xf3"),
    "FLAC": (b"fLaC",),
    "WAV": (b"RIFF",),  # and "WAVE" after the size
}
#: Other formats of sound and videos.
SOUNDS = ("Ogg", "MP3", "FLAC", "WAV")
#: What follows the size in files that start with "RIFF".
RIFF = {"WEBP": b"WEBP", "WAV": b"WAVE"}


class VideoFormat(NamedTuple):
    """A container of videos."""

    name: str
    demuxer: str  # of FFmpeg; no others are used: some open addresses that a file contains


#: Types of the first box of a MOV or MP4 file without "ftyp", as older cameras write them.
MOV_BOXES = (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
#: First bytes of containers, and where they are.
CONTAINERS = (
    (b"GIF8", 0, VideoFormat("GIF", "gif")),
    (b"\x1a\x45\xdf\xa3", 0, VideoFormat("MKV", "matroska")),
    (b"FLV\x01", 0, VideoFormat("FLV", "flv")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, VideoFormat("WMV", "asf")),
    (b"\0\0\x01\xba", 0, VideoFormat("MPEG", "mpeg")),
)
MOV, AVI = VideoFormat("MP4", "mov"), VideoFormat("AVI", "avi")
TS = VideoFormat("TS", "mpegts")


def image_format(start: bytes) -> str | None:
    """The format of an image file by its first bytes; one of `FORMATS` or `OTHERS`, or None."""
    brands = _brands(start)
    if brands & AVIF_BRANDS:
        return "AVIF"
    if _is_still(start, brands):
        return "HEIC"
    for form, signatures in (SIGNATURES | OTHERS).items():
        if start.startswith(signatures) and start[8:12] == RIFF.get(form, start[8:12]):
            return form
    return None


def video_format(start: bytes) -> VideoFormat | None:
    """The container of a video by its first bytes; GIFs may be still images."""
    if start[4:8] == b"ftyp":
        return None if _is_still(start, _brands(start)) else MOV
    if start[4:8] in MOV_BOXES:
        return MOV
    if (start[:4], start[8:12]) == (b"RIFF", b"AVI "):
        return AVI
    for offset, length in ((0, 188), (4, 192)):
        if start[offset : offset + 1] == start[offset + length : offset + length + 1] == b"G":
            return TS
    found = (kind for magic, at, kind in CONTAINERS if start[at:].startswith(magic))
    return next(found, None)


def _brands(start: bytes) -> set[bytes]:
    """The major and the compatible brands of a file of the ISO base media format."""
    if start[4:8] != b"ftyp":
        return set()
    length = min(int.from_bytes(start[:4]), len(start))
    return {start[at : at + 4] for at in (8, *range(16, length - 3, 4))}


def _is_still(start: bytes, brands: set[bytes]) -> bool:
    return bool(brands & (AVIF_BRANDS | HEIC_BRANDS)) or start[8:12] in STILL_BRANDS & brands


@contextmanager
def opened(source: Path | bytes, name: str, limit: int) -> Iterator[Readable]:
    """Opens a regular file, or the content of one, for reading.

    Args:
        name: names the file in messages.
        limit: the most bytes that are read.

    Raises:
        InputError: no such file, not a regular file (a pipe would wait for ever), too large.
    """
    if isinstance(source, bytes):
        yield BytesIO(source)
        return
    refuse_special_file(source, name)
    try:
        found = source.stat()
        if found.st_size > limit:
            raise InputError(
                f"{name}: has {found.st_size >> 20} MiB, more than the {limit >> 20} MiB that are "
                "read; shrink it first"
            )
        file = source.open("rb")
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be opened ({reason})") from None
    with file:
        yield file


def first_bytes(file: Readable) -> bytes:
    """The first `START` bytes; the file is then at its start again."""
    start = file.read(START)
    file.seek(0)
    return start
