"""progress.mp4: how the image changed during the run."""

from __future__ import annotations

from collections.abc import Iterator

from guidance.errors import InputError
from guidance.loop.result import Result
from guidance.media.pixels import to_uint8
from guidance.media.write_video import encode_mp4
from guidance.outputs import Images
from guidance.runs.artifacts.base import Artifact, Look, RunContext, Written
from guidance.runs.frames import FrameFolder

FPS = 15
#: About so many frames are kept: four seconds.
FRAMES = 60
FOLDER = "preview"


class ProgressVideo(Artifact):
    """Keeps frames in `preview/`, and ends with the best image for a second; every run has it."""

    def begin(self, run: RunContext, step: int) -> None:
        FrameFolder(run.folder / FOLDER).prepare(step)

    def looks_at(self, run: RunContext, step: int) -> bool:
        return step % max(1, run.steps // FRAMES) == 0 or step == run.steps

    def after_step(self, run: RunContext, step: int, look: Look) -> None:
        if self.looks_at(run, step):
            output = look()
            if isinstance(output, Images):
                FrameFolder(run.folder / FOLDER).keep(step, output.over()[:, 0])

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        folder = FrameFolder(run.folder / FOLDER)
        if len(folder) < 2:
            return
        for sample in range(run.num_samples):
            frames = list(folder.of_sample(sample, run.num_samples))
            frames += [to_uint8(result.images[sample, 0])] * FPS
            if len({frame.shape for frame in frames}) > 1:
                raise InputError(
                    f"{folder.path}: expected images of one size, but they were changed; delete "
                    "this folder, or start the run again"
                )
            yield run.write("progress.mp4", encode_mp4(frames, FPS, run.comment), sample)
