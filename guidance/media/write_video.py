"""MP4 files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction

from guidance.media.pixels import Frame, fitted, resized_frame
from guidance.texts import encodable

#: Least longer side of a video, in pixels.
LEAST_SIDE = 320


def encode_mp4(
    frames: Iterable[Frame],
    rate: int | Fraction,
    comment: str | None = None,
    *,
    least_side: int = LEAST_SIDE,
) -> bytes:
    """Encodes an H.264 video that browsers can play.

    Args:
        rate: frames per second.
        comment: a text for the metadata.
        least_side: frames are enlarged if their longer side is shorter. Sides are also rounded
            down to even numbers, as the format requires.
    """
    import imageio.v3 as iio

    from guidance.media.plugins.pyav import VideoWriter

    file = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with iio.imopen(
        file, "w", plugin=VideoWriter, extension=".mp4", container="mp4", options=options
    ) as video:
        if comment is not None:
            video.container_metadata["comment"] = encodable(comment)
        video.begin(Fraction(rate))
        for frame in frames:
            large = fitted(frame, least_side) if max(frame.shape[:2]) < least_side else frame
            height, width = large.shape[:2]
            video.write_frame(resized_frame(large, height // 2 * 2, width // 2 * 2))
    return file.getvalue()
