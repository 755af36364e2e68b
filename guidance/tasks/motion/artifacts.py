"""contact.png over time, motion.mp4, and the measures of each motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from guidance.generators.motion.param.base import MotionGenerator
from guidance.loop.result import Result
from guidance.media.contact_sheet import TILE, contact_sheet
from guidance.media.pixels import Frame, to_uint8
from guidance.media.write_video import encode_mp4
from guidance.motion.judging import MotionJudge
from guidance.motion.metrics import quality
from guidance.motion.motion import Motion
from guidance.motion.output import MotionOutput
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.tasks.motion.rules import Rules
from guidance.tasks.motion.shots import row

SHEET, VIDEO = "contact.png", "motion.mp4"
#: Tiles of the sheet, pixels and frames per second of the video, and its most frames.
TILES, SIDE, FPS, MOST_FRAMES = 8, 256, 15, 450
#: Where the camera stands, in degrees from the front.
AZIMUTH_DEG = 35.0
#: Frames rendered at once, to bound memory.
CHUNK = 12


@dataclass(frozen=True)
class MotionFiles(Artifact):
    """Eight moments of each motion as an image, its video, and its quality in DONE.json."""

    rules: Rules
    #: A judge of motions, and the motions before the optimization.
    judge: MotionJudge | None = None
    start: tuple[Motion, ...] = ()

    @torch.no_grad()
    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        generator = run.generator
        assert isinstance(generator, MotionGenerator)
        output = generator()
        for sample, caption in enumerate(run.captions):
            motion = output.motion(sample)
            frames = frames_of(generator, sample, TILES, TILE)
            times = np.linspace(0, motion.seconds, TILES)
            captions = [f"{time:.2f} s" for time in times]
            captions[0] = f"{caption:.60}  {captions[0]}" if len(caption) < 24 else captions[0]
            sheet = contact_sheet(frames, captions, columns=4)
            written = run.write(SHEET, sheet, sample)
            facts = self.facts(output, sample) | self.scores(output, sample, run.captions)
            yield written._replace(facts={"motion": facts})
            count = min(MOST_FRAMES, max(2, round(motion.seconds * FPS) + 1))
            film = frames_of(generator, sample, count, SIDE)
            fps = max(1, round((count - 1) / max(motion.seconds, 0.1)))
            yield run.write(VIDEO, encode_mp4(film, fps, run.comment), sample)

    def facts(self, output: MotionOutput, sample: int) -> dict[str, float | int]:
        """Measures of quality, and of how exactly the constraints hold."""
        motion = output.motion(sample)
        measures = {k: round(v, 3) for k, v in asdict(quality(motion, output.skeleton)).items()}
        seconds = {"seconds": round(motion.seconds, 2)}
        return seconds | measures | self.rules.measured(output, sample)

    def scores(
        self, output: MotionOutput, sample: int, captions: Sequence[str]
    ) -> dict[str, float]:
        """The similarity to the prompt before and after, by the judge of joints."""
        if self.judge is None or not self.judge.knows(captions[sample]):
            return {}
        motions = [self.start[sample], output.motion(sample)]
        before, after = self.judge.similarity(motions, [captions[sample]] * 2).tolist()
        return {"motion_judge_before": round(before, 3), "motion_judge": round(after, 3)}


def frames_of(generator: MotionGenerator, sample: int, count: int, side: int) -> list[Frame]:
    """Images of one sample at equal intervals of time, over white."""
    n = generator.num_samples
    output = generator()
    device = str(output.device)
    shots = row(n, count, side, AZIMUTH_DEG, device)
    found: list[Frame] = []
    for start in range(0, count, CHUNK):
        some = shots.some(slice(start, start + CHUNK))
        rotations, root = output.poses_at(some)
        only = slice(sample, sample + 1)
        single = some.mapped(lambda values: values[only])
        drawn = generator.draw(rotations[only], root[only], single)  # type: ignore[arg-type]
        found += [to_uint8(image) for image in drawn.over()[0].clamp(0, 1)]
    return found
