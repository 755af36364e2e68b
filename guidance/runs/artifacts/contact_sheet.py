"""contact.png: small images side by side, with the prompt below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guidance.loop.result import Result
from guidance.media.contact_sheet import caption_below, contact_sheet
from guidance.media.pixels import to_uint8
from guidance.outputs import Images, Rendering
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.artifacts.turntable import Ring, frames_around

NAME = "contact.png"
VIEWS = 8


@dataclass(frozen=True)
class ContactSheet(Artifact):
    """Eight views around each sample."""

    cameras: Ring

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        (frames,) = frames_around(run.generator, self.cameras(VIEWS), [Rendering.over])
        for sample, caption in enumerate(run.captions):
            sheet = contact_sheet(frames[sample], caption_below(caption, VIEWS))
            yield run.write(NAME, sheet, sample)


class SampleSheet(Artifact):
    """One image of each sample, if there are several; every run has it."""

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        if run.num_samples > 1 and isinstance(result.rendering, Images):
            tiles = [to_uint8(views[0]) for views in result.images]
            yield run.write(NAME, contact_sheet(tiles, run.captions))
