"""Videos of users: detected by their first bytes, and decoded frame by frame within limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.media.pixels import Frame
from guidance.media.read_image import DAMAGED, detect_format

if TYPE_CHECKING:
    from guidance.media.plugins.pyav import VideoReader

#: The limits of a video: half a minute at 30 frames per second, of at most 4096 x 2160 pixels.
MAX_FRAMES, MAX_SECONDS, MAX_PIXELS = 900, 60, 4096 * 2160
#: Limit of the frames held in memory in the size of the run, in bytes.
MAX_HELD = 2**30
#: The share of the frames promised by the header that must be readable. An edit list may
#: legitimately cut a few.
LEAST_SHARE = 0.9
#: Demuxers by the first bytes. No others are used: some open addresses that a file contains.
DEMUXERS = ((b"GIF8", 0, "gif"), (b"ftyp", 4, "mov"), (b"\x1a\x45\xdf\xa3", 0, "matroska"))
AVI = (b"RIFF", b"AVI ")


@dataclass(frozen=True)
class VideoInput:
    """A video file: its length and size, upright."""

    path: Path
    frames: int
    rate: Fraction  # frames per second; the mean if it varies
    height: int
    width: int

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
        InputError: an animated WebP or PNG, of which only still images are read.
    """
    refuse_special_file(path, f"image {path}")
    if not path.is_file():
        return False
    demuxer = _demuxer(path)
    if demuxer is not None and demuxer != "gif":
        return True
    import imageio.v3 as iio
    from PIL import Image

    with path.open("rb") as file:
        form = detect_format(file)
        if form not in ("GIF", "WEBP", "PNG"):
            return False
        try:
            image = iio.imopen(file, "r", plugin="pillow")
            with image:
                # `...` is documented, but typed as an integer.
                properties = image.properties(index=...)  # type: ignore[arg-type]
                animated = (properties.n_images or 1) > 1
        # Damaged files are reported by whoever reads them.
        except (*DAMAGED, Image.DecompressionBombError):
            return form == "GIF"
    if animated and form != "GIF":
        raise InputError(f"image {path}: is an animated {form}; convert it to GIF or MP4")
    return animated


def open_video(path: Path) -> VideoInput:
    """Decodes a video once, to check it and to measure its length and rate.

    Raises:
        InputError: damaged, without images, or beyond the limits on frames, pixels or seconds.
    """
    first: Frame | None = None
    times: list[float] = []
    for image, time in _decoded(path):
        if first is None:
            first = image
        if image.shape != first.shape:
            raise InputError(f"image {path}: its frames vary in size; encode it again")
        times.append(time)
    with _opened(path) as video:
        promised, rate = video.num_frames, video.rate
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
    with _opened(path) as video:
        for number, frame in enumerate(video.frames()):
            time = frame.time or 0.0
            if number >= MAX_FRAMES or time > MAX_SECONDS:
                raise InputError(
                    f"image {path}: is longer than the limit of {MAX_FRAMES} frames or "
                    f"{MAX_SECONDS} seconds; cut it first"
                )
            yield _upright(_over_white(frame), frame.rotation), time


@contextmanager
def _opened(path: Path) -> Iterator[VideoReader]:
    """Opens a video within the limit on pixels, and reports damage in one line."""
    import imageio.v3 as iio

    from guidance.media.plugins.pyav import DAMAGED, VideoReader

    try:
        # As an open file, so that neither FFmpeg nor imageio can take its name for an address.
        with (
            path.open("rb") as file,
            iio.imopen(file, "r", plugin=VideoReader, format=_demuxer(path)) as video,
        ):
            height, width = video.size
            if width * height > MAX_PIXELS:
                raise InputError(
                    f"image {path}: {width} x {height} pixels are more than the {MAX_PIXELS} of "
                    "a video that are read; shrink it first"
                )
            yield video
    except DAMAGED as error:
        if isinstance(error, InputError):
            raise
        if isinstance(error.__cause__, IndexError):
            raise InputError(f"image {path}: has no images, only sound or text") from None
        reason = " ".join(str(error.__cause__ or error).split())
        raise InputError(f"image {path}: not a readable video ({reason})") from None


def _demuxer(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(12)
    if (start[:4], start[8:12]) == AVI:
        return "avi"
    return next((name for magic, at, name in DEMUXERS if start[at:].startswith(magic)), None)


def _over_white(frame: Any) -> Frame:
    """Converts a frame to RGB in 8 bits; GIFs may be transparent."""
    if not any(component.is_alpha for component in frame.format.components):
        image: Frame = frame.to_ndarray(format="rgb24")
        return image
    levels = frame.to_ndarray(format="rgba").astype(np.uint16)
    color, alpha = levels[..., :3], levels[..., 3:]
    over: Frame = ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return over


def _upright(image: Frame, rotation_deg: int) -> Frame:
    """Rotates counterclockwise by a multiple of 90 degrees, as the metadata of phones ask for."""
    return np.ascontiguousarray(np.rot90(image, round(rotation_deg / 90) % 4))
