"""Videos of all samples seen from cameras around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from guidance.loop.result import Result
from guidance.media.pixels import Frame, to_uint8
from guidance.media.write_video import encode_mp4
from guidance.outputs import Rendering
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.types import Generator
from guidance.views import Cameras

TURNTABLE, NORMALS = "turntable.mp4", "normals.mp4"
VIEWS, FPS = 60, 20
#: Views rendered at once, to bound memory.
CHUNK = 6

#: Given a number of views, cameras evenly spaced on a circle around each sample.
Ring = Callable[[int], Cameras]
#: Turns a rendering into images [n, v, 3, h, w].
Show = Callable[[Rendering], Tensor]


@dataclass(frozen=True)
class Turntable(Artifact):
    """turntable.mp4 of each sample, and normals.mp4 if `normals` is given."""

    cameras: Ring
    normals: Show | None = None  # shows the surface normals of a rendering

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        shows: dict[str, Show] = {TURNTABLE: Rendering.over}
        if self.normals is not None:
            shows[NORMALS] = self.normals
        views = frames_around(run.generator, self.cameras(VIEWS), list(shows.values()))
        frames = [of_sample for of_show in views for of_sample in of_show]
        # Each video is encoded by one thread, so that its bytes are the same on any machine.
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            videos = pool.map(lambda one: encode_mp4(one, FPS, run.comment), frames)
            files = product(shows, range(run.num_samples))
            for (name, sample), video in zip(files, videos, strict=True):
                yield run.write(name, video, sample)


@torch.no_grad()
def frames_around(
    generator: Generator, cameras: Cameras, shows: Sequence[Show]
) -> list[list[list[Frame]]]:
    """Renders all views of all samples over white, indexed [show][sample][view].

    The result is kept in 8 bits, because these are many images.
    """
    n, views = cameras.light.shape[:2]
    frames: list[list[list[Frame]]] = [[[] for _ in range(n)] for _ in shows]
    for start in range(0, views, CHUNK):
        rendering = generator(cameras.some(slice(start, start + CHUNK)))
        for show, of_show in zip(shows, frames, strict=True):
            for of_sample, images in zip(of_show, show(rendering), strict=True):
                of_sample += [to_uint8(image) for image in images]
    return frames
