"""The pictures that a run keeps on its way, in `preview/`: the frames of progress.mp4."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.runs import media
from guidance.runs.atomic import telling
from guidance.runs.plan import Plan
from guidance.runs.results import some_views
from guidance.types import Moment

#: About so many are kept: four seconds at 15 a second.
FRAMES = 60


class Frames:
    """Looks at the first of the fixed views, at the first step, the last, and evenly between."""

    def __init__(self, folder: Path, plan: Plan, step: int) -> None:
        """Drops frames behind `step`, which an interrupted process left."""
        self.folder, self.plan = folder, plan
        self.every = max(1, plan.settings.steps // FRAMES)
        with telling(folder):
            folder.mkdir(exist_ok=True)
            for path in folder.glob("*.png"):
                if not path.stem.isdecimal() or int(path.stem) > step:
                    path.unlink()

    def after(self, step: int) -> None:
        """Keeps a frame if it is time for one."""
        if step % self.every == 0 or step == self.plan.settings.steps:
            self.keep(step, self._look())

    def keep(self, step: int, pictures: Float[Tensor, "n 3 h w"]) -> None:
        """Writes a frame of all samples.

        Without a sync to the disk: a frame lost to a power cut is one frame less in a video.
        """
        path = self.folder / f"{step:07d}.png"
        aside = path.with_suffix(".tmp")
        with telling(path):
            aside.write_bytes(media.encode_png(media.tiled(pictures)))
            aside.replace(path)

    @torch.no_grad()
    def _look(self) -> Float[Tensor, "n 3 h w"]:
        cameras = None
        if self.plan.views is not None:
            seeds = self.plan.settings.seeds
            if isinstance(seeds, int):
                seeds = tuple(range(seeds, seeds + len(self.plan.prompts)))
            moment = Moment(seeds, 0, 1.0, "validation")
            cameras = some_views(self.plan.views(moment), slice(1))
        pictures: Float[Tensor, "n 3 h w"] = self.plan.generator(cameras).over()[:, 0]
        return pictures
