"""MP4 files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from guidance.media.pixels import Frame
from guidance.texts import encodable

#: Least longer side of a video, in pixels.
LEAST_SIDE = 320
#: Nearly without visible loss, in half the time of libx264's default preset. Without `mbtree=0`,
#: the bytes depend on uninitialized memory: 150 encodings of 64 x 64 pixels gave six results.
H264 = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}
#: With frames of varying length: B-frames would make the last ones too short.
VARYING = H264 | {"x264-params": "mbtree=0:bframes=0"}
#: Units of time per second where the rate varies.
UNITS = 90_000
#: The numbers of FFmpeg for the matrix and the primaries of BT.709, video range, and the transfer
#: function of sRGB, which say what the levels mean.
TAGS = {"colorspace": 1, "color_primaries": 1, "color_range": 1, "color_trc": 13}


def encode_mp4(
    frames: Iterable[Frame],
    rate: int | Fraction,
    comment: str | None = None,
    *,
    least_side: int = LEAST_SIDE,
    times: Sequence[float] | None = None,
) -> bytes:
    """Encodes an H.264 video that browsers can play.

    Args:
        rate: frames per second.
        comment: a text for the metadata.
        least_side: frames are enlarged if their longer side is shorter. Sides are also rounded
            down to even numbers, as the format requires.
        times: the start of each frame in seconds, if the rate varies.
    """
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"movflags": "use_metadata_tags"}) as video:
        if comment is not None:
            video.metadata["comment"] = encodable(comment)
        stream: Any = None
        for number, frame in enumerate(frames):
            height, width = _size(frame, least_side)
            if stream is None:
                stream = _stream(video, Fraction(rate), (height, width), times is not None)
            # FFmpeg resizes and converts in one pass, in a tenth of the time of Pillow.
            picture = av.VideoFrame.from_ndarray(frame).reformat(
                width=width,
                height=height,
                format="yuv420p",
                interpolation="BICUBIC",
                dst_colorspace=TAGS["colorspace"],
                dst_color_range=TAGS["color_range"],
            )
            picture.time_base = stream.codec_context.time_base
            picture.pts = number if times is None else round(times[number] * UNITS)
            video.mux(stream.encode(picture))
        if stream is not None:
            video.mux(stream.encode())
    return file.getvalue()


def _size(frame: Frame, least_side: int) -> tuple[int, int]:
    """Height and width of a frame in the video: even numbers, the longer one at least that."""
    height, width = frame.shape[:2]
    scale = max(1.0, least_side / max(height, width))
    return max(2, round(height * scale) // 2 * 2), max(2, round(width * scale) // 2 * 2)


def _stream(container: Any, rate: Fraction, size: tuple[int, int], varies: bool) -> Any:
    """Adds a video stream, whose tags agree with the conversion of its frames."""
    stream = container.add_stream("libx264", rate=rate)
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.options = VARYING if varies else H264
    codec = stream.codec_context
    codec.time_base = Fraction(1, UNITS) if varies else 1 / rate
    # One thread, so that the same frames give the same bytes on any machine.
    codec.thread_count = 1
    for name, value in TAGS.items():
        setattr(codec, name, value)
    return stream
