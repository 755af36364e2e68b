"""progress.mp4: how the image changed during the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.loop.result import Result
from guidance.media.pixels import Frame, to_uint8
from guidance.media.write_video import encode_mp4
from guidance.outputs import Images
from guidance.runs.artifacts.base import Artifact, Look, RunContext, Written
from guidance.runs.frames import FrameFolder

FPS = 15
#: At most so many frames are kept, and the last: four seconds.
FRAMES = 60
#: The longer side of a frame in pixels, at most: writing 60 frames of 2048 pixels takes longer than
#: the steps of a run.
MOST_SIDE = 1024
#: Decoded frames that are held at one time: those of several samples.
DECODED_BYTES = 2**28
FOLDER = "preview"


class ProgressVideo(Artifact):
    """Keeps frames in `preview/`, and ends with the best image for a second."""

    def begin(self, run: RunContext, step: int) -> None:
        FrameFolder(run.folder / FOLDER).prepare(step)

    def looks_at(self, run: RunContext, step: int) -> bool:
        """Whether a frame shows the state after this many steps."""
        return step % max(1, math.ceil(run.steps / FRAMES)) == 0 or step == run.steps

    def after_step(self, run: RunContext, step: int, look: Look) -> None:
        if self.looks_at(run, step):
            output = look()
            if isinstance(output, Images):
                FrameFolder(run.folder / FOLDER).keep(step, _bounded(output.over()[:, 0]))

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        folder = FrameFolder(run.folder / FOLDER)
        if len(folder) < 2:
            return
        for sample, before in _by_sample(folder, result, run.num_samples):
            last = to_uint8(_bounded(result.images[sample, :1])[0])
            frames = chain(before, [last] * FPS)
            video = encode_mp4(_of_one_size(frames, folder.path), FPS, run.comment)
            yield run.write("progress.mp4", video, sample)


def _by_sample(
    folder: FrameFolder, result: Result, num_samples: int
) -> Iterator[tuple[int, Iterable[Frame]]]:
    """The frames of each sample. An image holds all samples, so many are read at a time."""
    video = to_uint8(_bounded(result.images[0, :1])[0]).nbytes * len(folder)
    together = max(1, DECODED_BYTES // video)
    for first in range(0, num_samples, together):
        samples = range(first, min(first + together, num_samples))
        if len(samples) == 1:
            yield first, folder.of_sample(first, num_samples)
        else:
            yield from zip(samples, folder.of_samples(samples, num_samples), strict=True)


def _bounded(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 hh ww"]:
    """Images with sides of at most `MOST_SIDE` pixels."""
    height, width = images.shape[-2:]
    scale = MOST_SIDE / max(height, width)
    if scale >= 1:
        return images
    return F.interpolate(images, (round(height * scale), round(width * scale)), mode="area")


def _of_one_size(frames: Iterable[Frame], path: Path) -> Iterator[Frame]:
    """The frames one by one. Raises InputError if one has another size."""
    size = None
    for frame in frames:
        if size is not None and frame.shape != size:
            raise InputError(
                f"{path}: expected images of one size, but they were changed; delete this folder, "
                "or start the run again"
            )
        size = frame.shape
        yield frame
