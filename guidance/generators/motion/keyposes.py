"""Key poses with splines between them: a motion from scratch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.generators.motion.param.base import MotionGenerator, MotionStage
from guidance.generators.motion.param.rotations import as_six, from_six
from guidance.motion.output import MotionOutput
from guidance.options import Options as ComponentOptions
from guidance.types import StepContext

#: Spread of the first key poses beside the start, so that seeds differ.
SPREAD = 0.02


class Keyposes(MotionGenerator):
    """Key poses at equal intervals, with cubic splines between them.

    Rotations are two vectors of three numbers, which are interpolated and made orthonormal; see
    `guidance.generators.motion.param.rotations.from_six`.
    """

    class Options(ComponentOptions):
        """The keys, and how long a motion from scratch takes."""

        seconds: float = Field(default=3.0, ge=0.5, le=60)
        """Duration."""
        interval: float = Field(default=0.25, ge=0.05, le=5)
        """Seconds from one key pose to the next."""
        rate: float = Field(default=0.02, gt=0, le=1)
        """Learning rate of the key poses."""

    def __init__(self, stage: MotionStage, options: Keyposes.Options | None = None) -> None:
        super().__init__(stage)
        self.options = options or self.Options()
        start = MotionOutput.of_motions(stage.start, self.skeleton)
        splines = [spline(count, self.fps, self.options.interval) for count in self.frames]
        most = max(each.shape[1] for each, _ in splines)
        whole = torch.zeros(self.num_samples, max(self.frames), most)
        keys = torch.zeros(self.num_samples, most, dtype=torch.long)
        for sample, (each, at) in enumerate(splines):
            whole[sample, : len(each), : each.shape[1]] = each
            whole[sample, len(each) :, : each.shape[1]] = each[-1]
            keys[sample, : len(at)], keys[sample, len(at) :] = at, at[-1]
        self.register_buffer("spline", whole, persistent=False)
        rows = torch.arange(self.num_samples)[:, None]
        draws = StepContext(stage.seeds, phase="start")
        noise = SPREAD * draws.normal("rotations", most, 22, 6)
        self.rotations = nn.Parameter(as_six(start.rotations[rows, keys]) + noise)
        noise = SPREAD * draws.normal("root", most, 3)
        self.root = nn.Parameter(start.root[rows, keys] + noise)

    def poses(self) -> tuple[Float[Tensor, "n t 22 3 3"], Float[Tensor, "n t 3"]]:
        weights = self.get_buffer("spline")
        six = (weights @ self.rotations.flatten(2)).reshape(*weights.shape[:2], 22, 6)
        return from_six(six), weights @ self.root

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.rotations, self.root], "lr": self.options.rate}]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Keyposes:
        return cls(cls.tiny_stage(num_samples))


def spline(frames: int, fps: float, interval: float) -> tuple[Tensor, Tensor]:
    """Weights `[t, k]` of key poses for each frame, and the frames of the keys `[k]`."""
    from scipy.interpolate import CubicSpline

    count = max(2, round((frames - 1) / fps / interval) + 1)
    keys = np.unique(np.linspace(0, frames - 1, count).round())
    if len(keys) < 3:
        part = torch.linspace(0, 1, frames)[:, None]
        weights = torch.cat([1 - part, part], 1)[:, : len(keys)]
    else:
        found = CubicSpline(keys, np.eye(len(keys)), bc_type="natural")(np.arange(frames))
        weights = torch.from_numpy(found).float()
    return weights, torch.from_numpy(keys).long()
