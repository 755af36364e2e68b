"""The plainest generator: every pixel is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.warping import warped
from guidance.generators.image.param.windows import whole_only
from guidance.media.write_png import save_png
from guidance.outputs import Rendering
from guidance.types import Generator, StepContext
from guidance.views import View, Warp


class Pixels(Generator):
    """Images as their own values in [0, 1], kept there after each step.

    Nothing ties neighbouring pixels together, so an encoder's adversarial texture shows fully:
    the baseline that the other generators are compared with.

    Args:
        seeds: one a sample, for the faint noise around grey that it starts from.
        size: pixels a side.
        learning_rate: of Adam, in units of the whole range.
    """

    class Options(ImageOptions):
        """Options of "pixels"."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Pixels:
        return cls(canvas.seeds, canvas.size)

    START_SD = 0.01  # as lucid's pixel parametrization

    def __init__(
        self, seeds: Sequence[int], size: int = 128, *, learning_rate: float = 0.02
    ) -> None:
        super().__init__()
        self.num_samples = len(seeds)
        self.learning_rate = learning_rate
        noise = StepContext(tuple(seeds), phase="start").normal("pixels", 3, size, size)
        self.pixels = nn.Parameter((0.5 + self.START_SD * noise).clamp(0, 1))

    def forward(self, view: View | None = None) -> Rendering:
        """One image a sample."""
        whole_only(view, self)
        return Rendering(self.pixels[:, None])

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.pixels], "lr": self.learning_rate}]

    def project(self) -> None:
        self.pixels.clamp_(0, 1)

    def warp(self, warp: Warp, context: StepContext) -> None:
        self.pixels.copy_(warped(self.pixels, warp).clamp(0, 1))

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        return [save_png(folder / "image.png", self.pixels[sample])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Pixels:
        return cls(range(num_samples), size=16)
