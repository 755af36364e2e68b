"""The video and the contact sheet of a moving avatar, and how many images were encoded for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.loop.result import Result
from guidance.media.contact_sheet import caption_below, contact_sheet
from guidance.media.write_video import encode_mp4
from guidance.outputs import Rendering
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.artifacts.contact_sheet import NAME
from guidance.runs.artifacts.turntable import FPS, TURNTABLE, frames_around
from guidance.tasks.avatar.views import BodyViews

SIDE, FRAMES, MOTION_FPS = 256, 80, 30
#: Azimuths of the contact sheet, whose rows are poses.
AROUND = (0.0, 60.0, 180.0, 270.0)


def smooth(rendering: Rendering) -> Float[Tensor, "n v 3 h w"]:
    """Images over white at half the size: fine meshes need more than one sample per pixel."""
    images = rendering.over()
    half = F.avg_pool2d(images.flatten(0, 1), 2)
    return half.view(*images.shape[:2], *half.shape[1:])


def _shape(run: RunContext) -> Float[Tensor, "n k"] | None:
    """The shape coefficients of the avatars; None for a body of one shape."""
    betas = getattr(run.generator, "betas", None)
    return None if betas is None else betas.detach().cpu()


@dataclass(frozen=True)
class MovingTurntable(Artifact):
    """turntable.mp4: the avatar moves while the camera goes once around it."""

    views: BodyViews
    facts: Mapping[str, Any] = field(default_factory=dict)  # for DONE.json

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        poses = self.views.poses
        times = [int(index * MOTION_FPS / FPS) for index in range(FRAMES)]
        seen = [
            [int(poses.frame(sample, time)) for time in times] for sample in range(run.num_samples)
        ]
        azimuths = [360.0 * index / FRAMES for index in range(FRAMES)]
        cameras = self.views.around(seen, azimuths, 2 * SIDE, steady=True, betas=_shape(run))
        (frames,) = frames_around(run.generator, cameras, [smooth])
        for sample, images in enumerate(frames):
            video = encode_mp4(images, FPS, run.comment)
            yield run.write(TURNTABLE, video, sample)._replace(facts=self.facts)


@dataclass(frozen=True)
class PoseSheet(Artifact):
    """contact.png: four poses, each from four sides."""

    views: BodyViews

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        rows = max(len(own) for own in self.views.anchors)
        seen = [
            [own[row % len(own)] for row in range(rows) for _ in AROUND]
            for own in self.views.anchors
        ]
        cameras = self.views.around(seen, AROUND * rows, 2 * SIDE, betas=_shape(run))
        (frames,) = frames_around(run.generator, cameras, [smooth])
        for sample, caption in enumerate(run.captions):
            captions = caption_below(caption, rows * len(AROUND))
            yield run.write(NAME, contact_sheet(frames[sample], captions), sample)
