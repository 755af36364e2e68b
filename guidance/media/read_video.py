"""Videos of users: detected by their first bytes, and decoded frame by frame within limits."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.errors import InputError
from guidance.media.formats import (
    FORMATS,
    SOUNDS,
    VIDEO_FORMATS,
    first_bytes,
    image_format,
    opened,
    video_format,
)
from guidance.media.image_bounds import TooLarge
from guidance.media.pixels import Frame
from guidance.media.read_image import DAMAGED, is_animated
from guidance.media.video_bounds import check_samples

if TYPE_CHECKING:
    from guidance.media.video_stream import VideoStream

#: The limits of a video: half a minute at 30 frames per second, of at most 4096 x 2160 pixels, and
#: all frames together those of half a minute of 1920 x 1080.
MAX_FRAMES, MAX_SECONDS, MAX_PIXELS = 900, 60, 4096 * 2160
MAX_TOTAL = 900 * 1920 * 1088
#: The most bytes of a video file.
MAX_BYTES = 2**31
#: Limit of the frames held in memory in the size of the run, in bytes.
MAX_HELD = 2**30
#: The share of the frames promised by the header that must be readable. An edit list may
#: legitimately cut a few.
LEAST_SHARE = 0.9
#: VP8 and VP9 have packets of frames that are never shown, about one of ten.
HIDDEN = 1.1
#: Image formats that may be animated, of which only GIFs are read as videos.
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")


@dataclass(frozen=True)
class VideoInput:
    """A video file: its length and size, upright and with square pixels."""

    path: Path
    frames: int
    rate: Fraction  # frames per second; the mean if it varies
    height: int
    width: int
    #: The start of each frame in seconds, from the first one, if the rate varies.
    times: tuple[float, ...] | None = None

    def images(self) -> Iterator[Frame]:
        """The frames in their original size.

        Raises:
            InputError: the file has changed since it was opened, or is damaged.
        """
        last = 0
        for number, (image, _) in enumerate(_decoded(self.path), 1):
            if image.shape[:2] != (self.height, self.width):
                break
            yield image
            last = number
        if last != self.frames:
            raise InputError(f"image {self.path}: was changed during the run; restore it")


def is_video(path: Path) -> bool:
    """Whether a file is a video or an animated GIF, by its content.

    Raises:
        InputError: neither an image nor a video; an animated WebP, PNG or AVIF, of which only still
            images are read; not a plain file.
    """
    if not path.exists():
        return False
    with opened(path, f"image {path}", MAX_BYTES) as file:
        start = first_bytes(file)
        video = video_format(start)
        if video is not None and video.name != "GIF":
            return True
        form = image_format(start)
        if form is None or form in SOUNDS:
            images = ", ".join(FORMATS)
            raise InputError(
                f"image {path}: not a readable image or video ({form or 'unknown format'}; images: "
                f"{images}; videos: {VIDEO_FORMATS})"
            )
        if form not in ANIMATED:
            return False
        try:
            animated = is_animated(file, form)
        except TooLarge as error:
            raise InputError(f"image {path}: {error}") from None
        except DAMAGED:  # damaged files are reported by whoever reads them
            return form == "GIF"
    if animated and form != "GIF":
        raise InputError(f"image {path}: is an animated {form}; convert it to GIF or MP4")
    return animated


def open_video(path: Path) -> VideoInput:
    """Decodes a video once, to check it and to measure its length and rate.

    Raises:
        InputError: damaged, without images, or beyond the limits on frames, pixels or seconds.
    """
    shape: tuple[int, ...] | None = None
    times: list[float | None] = []
    for image, time in _decoded(path):
        shape = image.shape if shape is None else shape
        times.append(time)
    with _opened(path) as video:
        promised, rate = video.num_frames, video.rate
    if shape is None or len(times) < LEAST_SHARE * promised:
        raise InputError(
            f"image {path}: {len(times)} of {max(promised, 1)} frames can be read; it is damaged"
        )
    rate, starts = _timing(times, rate)
    return VideoInput(path, len(times), rate, shape[0], shape[1], starts)


def sampled_frames(path: Path, every: float) -> Iterator[tuple[Frame, float]]:
    """Frames of a video of any length that are `every` seconds apart, with their times in seconds.

    One frame is in memory at a time. A video with damage in the middle gives the frames before it.

    Raises:
        InputError: damaged, without images, or frames with too many pixels.
    """
    due, start, at = -math.inf, None, 0.0
    with _opened(path) as video:
        pause = float(1 / (video.rate or 10))
        for number, (image, time) in enumerate(video.frames()):
            at = number * pause if time is None else time
            start = at if start is None else start
            if at >= due:
                due = at + every
                yield image, max(0.0, at - start)


def _timing(
    times: list[float | None], rate: Fraction | None
) -> tuple[Fraction, tuple[float, ...] | None]:
    """The rate of frames at these times, and their starts if they do not follow it."""
    known = [time for time in times if time is not None]
    if len(known) < len(times) or known != sorted(set(known)):
        return rate or Fraction(10), None
    starts = tuple(time - known[0] for time in known)
    span = starts[-1]
    if span > 0:
        measured = Fraction((len(starts) - 1) / span).limit_denominator(1001)
        if rate is None or abs(measured / rate - 1) > 0.01:
            rate = measured
    rate = rate or Fraction(10)
    even = all(abs(start * rate - number) < 0.5 for number, start in enumerate(starts))
    return rate, None if even else starts


def _decoded(path: Path) -> Iterator[tuple[Frame, float | None]]:
    """Frames with their times in seconds, one after the other."""
    with _opened(path) as video:
        _check_length(video, path)
    with _opened(path) as video:
        for number, frame in enumerate(video.frames()):
            if number >= MAX_FRAMES:
                raise _too_long(path)
            yield frame


def _check_length(video: VideoStream, path: Path) -> None:
    """Counts the packets of a video, before any is decoded."""
    hidden = HIDDEN if video.stream.codec_context.name.startswith(("vp8", "vp9")) else 1
    height, width = video.size
    number, first, last = 0, float("inf"), float("-inf")
    for number, time in enumerate(video.packets(), 1):
        first, last = (first, last) if time is None else (min(first, time), max(last, time))
        if number > MAX_FRAMES * hidden or last - first > MAX_SECONDS:
            raise _too_long(path)
    if number * height * width > MAX_TOTAL * hidden:
        raise InputError(
            f"image {path}: {number} frames of {width} x {height} pixels are more than the "
            f"{MAX_TOTAL // 10**6} million pixels of a video that are read; shrink or cut it first"
        )


def _too_long(path: Path) -> InputError:
    return InputError(
        f"image {path}: is longer than the limit of {MAX_FRAMES} frames or {MAX_SECONDS} seconds; "
        "cut it first"
    )


@contextmanager
def _opened(path: Path) -> Iterator[VideoStream]:
    """Opens a video within the limit on pixels, and reports damage in one line."""
    from guidance.media.video_stream import DAMAGED, opened_stream

    with opened(path, f"image {path}", MAX_BYTES) as file:
        kind = video_format(first_bytes(file))
        if kind is None:
            raise InputError(f"image {path}: was changed during the run; restore it")
        try:
            check_samples(file, kind)
            with opened_stream(file, kind.demuxer, MAX_PIXELS) as video:
                height, width = video.shape
                if width * height > MAX_PIXELS:
                    raise InputError(
                        f"{width} x {height} pixels are more than the {MAX_PIXELS} of a video "
                        "that are read; shrink it first"
                    )
                yield video
        except InputError as error:
            if str(error).startswith("image "):
                raise
            raise InputError(f"image {path}: {error}") from None
        except TooLarge as error:
            raise InputError(f"image {path}: {error}") from None
        except (*DAMAGED, struct.error) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"image {path}: not a readable video ({reason})") from None
