"""The images that a run keeps on its way: the frames of progress.mp4 and of animation.mp4."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.media import images as media
from guidance.runs.atomic import os_errors, write_bytes
from guidance.runs.folder import ANIMATION, PREVIEW
from guidance.runs.plan import Plan
from guidance.runs.results import some_views
from guidance.types import StepContext

#: About so many previews are kept: four seconds at 15 a second.
FRAMES = 60


def previews_of(run: Path, plan: Plan, step: int) -> Frames:
    """View at the first step, the last, and evenly between, in `preview/`."""
    steps = plan.settings.steps
    every = max(1, steps // FRAMES)
    return Frames(run / PREVIEW, plan, step, lambda done: done % every == 0 or done == steps)


def frames_of(run: Path, plan: Plan, step: int) -> Frames | None:
    """The frames of an animation, in `frames/`; None where a run makes no animation."""
    if plan.animation is None:
        return None
    return Frames(run / ANIMATION, plan, step, plan.animation.frame_follows, is_synced=True)


class Frames:
    """View at the first of the fixed views, after the steps that `is_due` names.

    Args:
        step: the one that a run goes on from. Frames behind it, which an interrupted process left,
            are dropped.
        is_synced: each frame is made sure of. Without, a frame lost to a power cut is one frame
            less in a video.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        step: int,
        is_due: Callable[[int], bool],
        *,
        is_synced: bool = False,
    ) -> None:
        self.folder, self.plan = folder, plan
        self.is_due, self.is_synced = is_due, is_synced
        with os_errors(folder):
            folder.mkdir(exist_ok=True)
            for path in folder.glob("*.tmp"):
                path.unlink()
            for path in folder.glob("*.png"):
                if not path.stem.isdecimal() or int(path.stem) > step:
                    path.unlink()

    def after(self, step: int) -> None:
        """Keeps a frame if it is time for one."""
        if self.is_due(step):
            self.keep(step, self._look())

    def keep(self, step: int, pictures: Float[Tensor, "n 3 h w"]) -> None:
        """Writes a frame of all samples."""
        path = self.folder / f"{step:07d}.png"
        content = media.encode_png(media.tiled(pictures))
        if self.is_synced:
            write_bytes(path, content)
            return
        aside = path.with_suffix(".tmp")
        with os_errors(path):
            aside.write_bytes(content)
            aside.replace(path)

    @torch.no_grad()
    def _look(self) -> Float[Tensor, "n 3 h w"]:
        cameras = None
        if self.plan.views is not None:
            seeds = self.plan.settings.seeds
            if isinstance(seeds, int):
                seeds = tuple(range(seeds, seeds + len(self.plan.prompts)))
            context = StepContext(seeds, 0, 1.0, "validation")
            cameras = some_views(self.plan.views(context), slice(1))
        pictures: Float[Tensor, "n 3 h w"] = self.plan.generator(cameras).over()[:, 0]
        return pictures
