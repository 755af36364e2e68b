"""Counts the samples that an MP4 or MOV file claims, before FFmpeg makes a list of them.

A box of 20 bytes can claim four billion samples of equal size or length.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from guidance.media.formats import Readable, VideoFormat
from guidance.media.image_bounds import TooLarge

#: The most samples of all tracks: an hour of sound, each value of which may be a sample.
MAX_SAMPLES = 2**24
#: The most boxes; a fragment has about six.
MAX_BOXES = 2**16
#: Boxes that contain boxes.
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"edts", b"mvex"}
#: Tables of the lengths of runs of samples.
RUNS = {b"stts", b"ctts"}
#: The most entries of a table that are added up; a table of one entry per sample is longer than
#: that only in videos that are too long.
MAX_RUNS = 2**20
MAX_DEPTH = 8


def check_samples(file: Readable, kind: VideoFormat) -> None:
    """Refuses files that claim too many samples; the file is then at its start.

    Raises:
        TooLarge: too many samples or boxes.
        struct.error: the file is damaged.
    """
    if kind.demuxer != "mov":
        return
    samples = 0
    for number, (box, start, length) in enumerate(_boxes(file), 1):
        if number > MAX_BOXES:
            raise TooLarge(f"has more than {MAX_BOXES:,} boxes; encode it again")
        file.seek(start)
        if box in RUNS:
            samples += _runs(file, length)
        elif box in (b"stsz", b"stz2", b"trun"):
            head = file.read(12)
            at = 4 if box == b"trun" else 8
            samples += int.from_bytes(head[at : at + 4])
        if samples > MAX_SAMPLES:
            raise TooLarge(f"claims more than {MAX_SAMPLES:,} samples; encode it again")
    file.seek(0)


def _runs(file: Readable, length: int) -> int:
    """The samples of a table of runs."""
    (entries,) = struct.unpack(">4xI", file.read(8))
    entries = min(entries, (length - 8) // 8)
    if entries > MAX_RUNS:
        raise TooLarge(f"has tables of more than {MAX_RUNS:,} entries; encode it again")
    table = file.read(8 * entries)
    return sum(count for count, _ in struct.iter_unpack(">II", table[: len(table) // 8 * 8]))


def _boxes(file: Readable) -> Iterator[tuple[bytes, int, int]]:
    """The type of each box, and the start and the length of its content, depth first."""
    size = file.seek(0, os.SEEK_END)
    waiting = [(0, size)]
    while waiting:
        at, end = waiting.pop()
        while at + 8 <= end:
            file.seek(at)
            length, box = struct.unpack(">I4s", file.read(8))
            start = at + 8
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8))
                start = at + 16
            after = end if length == 0 else at + length
            if after < start:
                return
            yield box, start, min(after, end) - start
            if box in CONTAINERS and len(waiting) < MAX_DEPTH:
                waiting.append((after, end))
                at, end = start, min(after, end)
            else:
                at = after
