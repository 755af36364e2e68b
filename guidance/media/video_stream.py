"""One video stream of a file, by PyAV: packets, and frames as RGB over white with square pixels.

Import it only when needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

import av
import numpy as np

from guidance.errors import InputError
from guidance.media.formats import Readable
from guidance.media.pixels import Frame, resized_frame

T = TypeVar("T")
#: Errors on damaged files. PyAV itself may read header values that Python refuses.
DAMAGED = (av.FFmpegError, OSError, ValueError, OverflowError, ZeroDivisionError)
#: Matrices by their numbers in FFmpeg: ITU-R BT.709 and BT.601, and "unspecified".
BT709, BT601, UNSPECIFIED = 1, 5, 2
#: Videos without a tag have the matrix of high definition from this number of lines up.
HIGH_DEFINITION = 720
#: Decoders that decode alpha, where FFmpeg's own ones drop it.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
#: The largest plausible ratio of the sides of a pixel.
MAX_ASPECT = 8


class VideoStream:
    """The first stream of moving images in an open container.

    Args:
        container: an `av.container.InputContainer`.
        max_pixels: of a frame, enforced by the decoder as well.

    Raises:
        InputError: there are no moving images; the picture of a record's cover does not count.
    """

    def __init__(self, container: Any, max_pixels: int) -> None:
        self.container = container
        cover = av.stream.Disposition.attached_pic
        found = [each for each in container.streams.video if not each.disposition & cover]
        if not found:
            raise InputError("has no video, only sound, text or a cover picture")
        self.stream = found[0]
        if self.stream.codec_context is None:
            raise InputError("has a video of a codec that is not known; convert it to MP4")
        self.stream.codec_context.options = {"max_pixels": str(max_pixels)}
        self.max_pixels = max_pixels

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in the file, read from the header."""
        return self.stream.codec_context.height, self.stream.codec_context.width

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width with square pixels; the side that is too short is enlarged."""
        height, width = self.size
        aspect = self.stream.sample_aspect_ratio
        if not aspect or not Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT:
            return height, width
        return max(height, round(height / aspect)), max(width, round(width * aspect))

    @property
    def num_frames(self) -> int:
        """The number of frames according to the header; 0 if it does not tell."""
        return int(self.stream.frames)

    @property
    def rate(self) -> Fraction | None:
        """Mean frames per second according to the header."""
        rate: Fraction | None = self.stream.average_rate
        return rate if rate is not None and rate > 0 else None

    def packets(self) -> Iterator[float | None]:
        """The time of each packet in seconds, as far as known; nothing is decoded."""
        for packet in self._demuxed():
            if packet.size and not packet.is_discard:
                yield None if packet.pts is None else float(packet.pts * packet.time_base)

    def frames(self) -> Iterator[tuple[Frame, float | None]]:
        """Frames in sRGB, upright, with their times in seconds; see `shape`."""
        decoder = self._decoder()
        for packet in self._demuxed():
            # The last packet is empty and flushes the decoder.
            for frame in decoder.decode(packet if packet.size else None):
                # Frames of a flushed decoder have no unit of time.
                time = None if frame.pts is None else float(frame.pts * self.stream.time_base)
                yield self._image(frame), time

    def _demuxed(self) -> Iterator[Any]:
        packets = self.container.demux(self.stream)
        while (packet := _from_file(partial(next, packets, None))) is not None:
            yield packet

    def _decoder(self) -> Any:
        """The decoder of the stream, or one that decodes its alpha."""
        codec = self.stream.codec_context
        if self.stream.metadata.get("alpha_mode") != "1" or codec.name not in ALPHA_DECODERS:
            return codec
        try:
            own = av.CodecContext.create(ALPHA_DECODERS[codec.name], "r")
        except av.codec.codec.UnknownCodecError:
            raise InputError(
                "has an alpha channel, which this build of FFmpeg cannot decode; convert it to "
                "MP4, or install PyAV from PyPI"
            ) from None
        own.options = {"max_pixels": str(self.max_pixels)}
        return own

    def _image(self, frame: Any) -> Frame:
        height, width = self.shape
        if (frame.height, frame.width) != self.size:
            raise InputError("its frames vary in size; encode it again")
        return upright(resized_frame(_over_white(frame), height, width), _display_matrix(frame))


@contextmanager
def opened_stream(file: Readable, demuxer: str, max_pixels: int) -> Iterator[VideoStream]:
    """Opens a video by one demuxer; an open file, so that FFmpeg takes no name for an address."""
    with _container(file, demuxer, {"max_pixels": str(max_pixels)}) as container:
        yield VideoStream(container, max_pixels)


def metadata(file: Readable, demuxer: str) -> dict[str, str]:
    """The metadata of a container."""
    with _container(file, demuxer, {}) as container:
        return dict(container.metadata)


def _container(file: Readable, demuxer: str, options: dict[str, str]) -> Any:
    opening = partial(av.open, file, format=demuxer, options=options, metadata_errors="replace")
    return _from_file(opening)


def _from_file(work: Callable[[], T]) -> T:
    """The result of a call that parses a file.

    FFmpeg reports a damaged file that asks for too much memory like a machine without memory. The
    error is raised outside of the handler, so that FFmpeg's error is not its context.

    Raises:
        ValueError: the file asks for too much memory.
    """
    with contextlib.suppress(av.error.MemoryError):
        return work()
    raise ValueError("it asks for too much memory")


def matrix_of(frame: Any) -> int | None:
    """The number of the matrix from YCbCr to RGB; None for RGB."""
    if frame.format.is_rgb or frame.format.name == "pal8":
        return None
    if frame.colorspace not in (0, UNSPECIFIED):
        return int(frame.colorspace)
    return BT709 if frame.height >= HIGH_DEFINITION else BT601


def _over_white(frame: Any) -> Frame:
    """Converts a frame to RGB in 8 bits, over white where it is transparent."""
    matrix = matrix_of(frame)
    transparent = frame.format.name == "pal8" or any(
        component.is_alpha for component in frame.format.components
    )
    form = "rgba" if transparent else "rgb24"
    levels: Frame = frame.reformat(format=form, src_colorspace=matrix).to_ndarray()
    if not transparent:
        return levels
    wide = levels.astype(np.uint16)
    color, alpha = wide[..., :3], wide[..., 3:]
    over: Frame = ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return over


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """The four numbers that tell how a frame is turned and mirrored; see `upright`."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None or data.buffer_size < 20:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data)[:20], np.int32).tolist()
    return a, b, c, d


def upright(image: Frame, matrix: tuple[int, int, int, int]) -> Frame:
    """Turns and mirrors an image as the metadata of phones ask for, in steps of 90 degrees.

    Args:
        matrix: `(a, b, c, d)` of `x' = a x + c y, y' = b x + d y`.
    """
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, right, down = np.swapaxes(image, 0, 1), c, b
    else:
        right, down = a, d
    axes = tuple(axis for axis, sign in ((0, down), (1, right)) if sign < 0)
    return np.ascontiguousarray(np.flip(image, axes))
