"""A given motion, changed slowly and not far: the default."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.generators.motion.param.base import MotionGenerator, MotionStage
from guidance.generators.motion.param.rotations import exponential, within
from guidance.motion.output import MotionOutput
from guidance.options import Options as ComponentOptions
from guidance.types import StepContext

#: Farthest turn in degrees of joints that a constraint moves; their limits are what holds them.
FREE_DEG = 170.0
#: Where constraints move joints: how fast the other joints and the pelvis change beside them, so
#: that a hand is not moved by the trunk.
OTHERS, PELVIS = 0.2, 0.1
#: Spread of the first coefficients in radians and meters: seeds differ, but nothing is seen of it.
SPREAD = 1e-4


class Residual(MotionGenerator):
    """A motion of the bank, changed at low frequencies within a trust region.

        R(t) = R_clip(t) exp(v(t)),   v = DCT^T c,   |v| <= the trust radius of the joint

    and likewise the position of the pelvis. The coefficients c of the discrete cosine transform end
    at the cut-off frequency; those of high frequencies are scaled down, so that slow changes come
    first.
    """

    class Options(ComponentOptions):
        """Limits of the change."""

        trust: float = Field(default=20.0, gt=0, le=170)
        """Farthest turn of a joint from the motion of the bank, in degrees; joints that a
        constraint moves may turn further."""
        shift: float = Field(default=0.5, gt=0, le=10)
        """Farthest move of the pelvis from the motion of the bank, in meters."""
        cutoff: float = Field(default=4.0, gt=0, le=15)
        """Highest frequency of the change, in Hz."""
        rate: float = Field(default=0.01, gt=0, le=1)
        """Learning rate of the coefficients, in radians and meters."""

    def __init__(self, stage: MotionStage, options: Residual.Options | None = None) -> None:
        super().__init__(stage)
        self.options = options or self.Options()
        start = MotionOutput.of_motions(stage.start, self.skeleton)
        self.register_buffer("rotations", start.rotations, persistent=False)
        self.register_buffer("root", start.root.contiguous(), persistent=False)
        basis = [cosines(count, self.fps, self.options.cutoff) for count in self.frames]
        most = max(each.shape[1] for each in basis)
        whole = torch.zeros(len(basis), max(self.frames), most)
        for into, each in zip(whole, basis, strict=True):
            into[: len(each), : each.shape[1]] = each
            into[len(each) :, : each.shape[1]] = each[-1]
        self.register_buffer("basis", whole, persistent=False)
        free = torch.tensor(stage.free)
        degrees = torch.where(free, max(FREE_DEG, self.options.trust), self.options.trust)
        self.register_buffer("radius", torch.deg2rad(degrees), persistent=False)
        pace = torch.ones(22) if not any(stage.free) else torch.where(free, 1.0, OTHERS)
        self.register_buffer("pace", pace[:, None], persistent=False)
        self.pelvis_pace = PELVIS if any(stage.free) else 1.0
        draws = StepContext(stage.seeds, phase="start")
        self.turns = nn.Parameter(SPREAD * draws.normal("turns", most, 22, 3))
        self.shifts = nn.Parameter(SPREAD * draws.normal("shifts", most, 3))

    def poses(self) -> tuple[Float[Tensor, "n t 22 3 3"], Float[Tensor, "n t 3"]]:
        basis, n = self.get_buffer("basis"), self.num_samples
        turns = (basis @ self.turns.flatten(2)).view(n, -1, 22, 3) * self.get_buffer("pace")
        rotations = self.get_buffer("rotations") @ exponential(
            within(turns, self.get_buffer("radius"))
        )
        reach = torch.full((), self.options.shift).to(basis)
        shifts = within(self.pelvis_pace * (basis @ self.shifts), reach)
        return rotations, self.get_buffer("root") + shifts

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.turns, self.shifts], "lr": self.options.rate}]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Residual:
        return cls(cls.tiny_stage(num_samples))


def cosines(frames: int, fps: float, cutoff: float) -> Float[Tensor, "t k"]:
    """The vectors of the discrete cosine transform up to a frequency in Hz, scaled."""
    seconds = frames / fps
    count = min(frames, math.floor(2 * cutoff * seconds) + 1)
    k = torch.arange(count)
    time = (torch.arange(frames) + 0.5) / frames
    frequency = k / (2 * seconds)
    return torch.cos(math.pi * k * time[:, None]) / (1 + frequency.square())
