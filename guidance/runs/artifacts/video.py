"""A video that a task renders frame by frame when the run is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8

from guidance.loop.result import Result
from guidance.media.write_video import encode_mp4
from guidance.runs.artifacts.base import Artifact, RunContext, Written


@dataclass(frozen=True)
class VideoFile(Artifact):
    """One video per sample, in the size of its frames."""

    name: str  # of the file
    rate: Fraction  # frames per second
    frames: Callable[[int], Iterable[UInt8[np.ndarray, "_ _ 3"]]]  # of a sample, one by one
    times: tuple[float, ...] | None = None  # the start of each frame in seconds, if the rate varies

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        for sample in range(run.num_samples):
            frames = self.frames(sample)
            video = encode_mp4(frames, self.rate, run.comment, least_side=2, times=self.times)
            yield run.write(self.name, video, sample)
