"""imageio's PyAV plugin with what its arguments do not offer. Import it only when needed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from imageio.plugins.pyav import PyAVPlugin

#: Nearly without visible loss, in half the time of libx264's default preset. Without `mbtree=0`,
#: the bytes depend on uninitialized memory: 150 encodings of 64 x 64 pixels gave six results.
H264 = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}
#: Errors on damaged files. PyAV itself may read header values that Python refuses.
DAMAGED = (av.FFmpegError, OSError, ValueError, OverflowError)


class VideoReader(PyAVPlugin):
    """Reads frames with their times and rotations, which `PyAVPlugin.iter` drops."""

    def __enter__(self) -> VideoReader:
        return self

    @property
    def stream(self) -> Any:
        """The first video stream, an `av.VideoStream`."""
        return self._video_stream

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, read from the header."""
        return self.stream.codec_context.height, self.stream.codec_context.width

    @property
    def num_frames(self) -> int:
        """The number of frames according to the header; 0 if it does not tell."""
        return int(self.stream.frames)

    @property
    def rate(self) -> Fraction | None:
        """Mean frames per second according to the header."""
        rate: Fraction | None = self.stream.average_rate
        return rate

    def frames(self) -> Iterator[Any]:
        """Decodes the frames one after the other, each an `av.VideoFrame`."""
        yield from self.stream.container.decode(self.stream)

    def close(self) -> None:
        """Closes the file, without the garbage collection that `PyAVPlugin.close` runs twice.

        It frees filter graphs, and we use none. With torch imported it takes 0.13 s each time.
        """
        self._video_stream = None
        if self._container is not None:  # it is None when the file could not be opened
            self._container.close()
        self.request.finish()


class VideoWriter(PyAVPlugin):
    """Encodes H.264 with our options, which `PyAVPlugin.init_video_stream` does not take."""

    def __enter__(self) -> VideoWriter:
        return self

    def begin(self, rate: Fraction) -> None:
        """Adds the video stream; frames are then given to `write_frame`."""
        self.init_video_stream("libx264", fps=float(rate), pixel_format="yuv420p")
        stream: Any = self._video_stream
        stream.options = H264
        # One thread, so that the same frames give the same bytes on any machine.
        stream.codec_context.thread_count = 1

    def close(self) -> None:
        if not self.frames_written:  # there is nothing to flush, and the size is unknown
            self._video_stream = None
        super().close()
