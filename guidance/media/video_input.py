"""Clips of users: told by their first bytes, and decoded within limits, frame by frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.media.images import Frame

#: What a clip may have: half a minute at 30 a second, of frames up to 4096 x 2160.
MAX_FRAMES, MAX_SECONDS, MAX_PIXELS = 900, 60, 4096 * 2160
#: Frames held in the size of the run, in bytes.
MAX_HELD = 2**30
#: The part of the frames promised by the file that must be there. A few may be cut off by an edit
#: list, which is no damage.
LEAST_SHARE = 0.9
#: What Pillow raises on damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error)
#: Demuxers by the first bytes. Others are never asked: some follow addresses that a file names.
KINDS = ((b"GIF8", 0, "gif"), (b"ftyp", 4, "mov"), (b"\x1a\x45\xdf\xa3", 0, "matroska"))
AVI = (b"RIFF", b"AVI ")


@dataclass(frozen=True)
class VideoInput:
    """A clip on the disk: how long and how large it is, upright."""

    path: Path
    frames: int
    rate: Fraction  # frames a second; the mean where it varies
    height: int
    width: int

    def pictures(self) -> Iterator[Frame]:
        """The frames, in their own size.

        Raises:
            InputError: the file has changed since it was opened, or is damaged.
        """
        last = 0
        for number, (picture, _) in enumerate(_decoded(self.path), 1):
            if picture.shape[:2] != (self.height, self.width):
                break
            yield picture
            last = number
        if last != self.frames:
            raise InputError(f"image {self.path}: was changed during the run; put it back")


def is_video(path: Path) -> bool:
    """Whether a file is a video or an animated GIF, by its content.

    Raises:
        InputError: an image that moves in a format of which only stills are read.
    """
    if not path.is_file():
        return False
    kind = _kind(path)
    if kind is not None and kind != "gif":
        return True
    from PIL import Image

    try:
        with Image.open(path, formats=["GIF", "WEBP", "PNG"]) as image:
            moves = getattr(image, "n_frames", 1) > 1
            form = image.format
    # Those who read the file then tell why.
    except (
        *DAMAGED,
        Image.DecompressionBombError,
    ):
        return kind == "gif"
    if moves and form != "GIF":
        raise InputError(f"image {path}: is an animated {form}; give it as a GIF or MP4")
    return moves


def open_video(path: Path) -> VideoInput:
    """Decodes a clip once, to know that it can be, and what it holds.

    Raises:
        InputError: damaged, without images, or beyond the limits on frames, pixels or seconds.
    """
    first: Frame | None = None
    times: list[float] = []
    for picture, time in _decoded(path):
        if first is None:
            first = picture
        if picture.shape != first.shape:
            raise InputError(f"image {path}: its frames change their size; encode it again")
        times.append(time)
    promised, rate = _promise(path)
    if first is None or len(times) < LEAST_SHARE * promised:
        raise InputError(
            f"image {path}: {len(times)} of {max(promised, 1)} frames can be read; it is damaged"
        )
    span = times[-1] - times[0]
    if span > 0:
        measured = Fraction((len(times) - 1) / span).limit_denominator(1001)
        if rate is None or abs(measured / rate - 1) > 0.01:
            rate = measured
    height, width = first.shape[:2]
    return VideoInput(path, len(times), rate or Fraction(10), height, width)


def _decoded(path: Path) -> Iterator[tuple[Frame, float]]:
    """Frames with their times in seconds, one after the other."""
    with _opened(path) as stream:
        for number, frame in enumerate(stream.container.decode(stream)):
            time = frame.time or 0.0
            if number >= MAX_FRAMES or time > MAX_SECONDS:
                raise InputError(
                    f"image {path}: is longer than the {MAX_FRAMES} frames or {MAX_SECONDS} "
                    "seconds that are read; cut it first"
                )
            yield _upright(_over_white(frame), frame.rotation), time


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The video stream of a file; what goes wrong with it inside is told in one line."""
    import av

    try:
        with av.open(str(path), format=_kind(path)) as container:
            if not container.streams.video:
                raise InputError(f"image {path}: has no images, only sound or text")
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > MAX_PIXELS:
                raise InputError(
                    f"image {path}: {width} x {height} pixels are more than the {MAX_PIXELS} of "
                    "a clip that are read; shrink it first"
                )
            yield stream
    # Reading damaged headers, PyAV itself may meet values that Python refuses.
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"image {path}: not a readable clip ({reason})") from None


def _promise(path: Path) -> tuple[int, Fraction | None]:
    """How many frames the file says it has (0 where it says nothing), and how many a second."""
    with _opened(path) as stream:
        return stream.frames, stream.average_rate


def _kind(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(12)
    if (start[:4], start[8:12]) == AVI:
        return "avi"
    return next((kind for magic, at, kind in KINDS if start[at:].startswith(magic)), None)


def _over_white(frame: Any) -> Frame:
    """A frame in 8 bits a channel; GIFs may be transparent."""
    if not any(component.is_alpha for component in frame.format.components):
        picture: Frame = frame.to_ndarray(format="rgb24")
        return picture
    levels = frame.to_ndarray(format="rgba").astype(np.uint16)
    color, alpha = levels[..., :3], levels[..., 3:]
    over: Frame = ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return over


def _upright(picture: Frame, rotation_deg: int) -> Frame:
    """Turned counterclockwise, as telephones ask for, by quarters."""
    return np.ascontiguousarray(np.rot90(picture, round(rotation_deg / 90) % 4))
