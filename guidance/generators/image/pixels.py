"""The simplest generator: every pixel is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.sizes import Size, sides
from guidance.generators.image.param.warping import warped
from guidance.types import StepContext
from guidance.views import Warp


class Pixels(ImageGenerator):
    """Images as their own values in [0, 1], clamped after each step.

    Neighboring pixels are independent, so the adversarial texture of an encoder is fully visible.
    It is the baseline for the other generators.

    Args:
        seeds: one per sample, for the noise around grey that it starts from.
        size: pixels per side, or height and width.
        learning_rate: of Adam, in units of the range of values.
    """

    class Options(ImageOptions):
        """Options of "pixels"."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Pixels:
        return cls(canvas.seeds, canvas.size)

    START_SD = 0.01  # as lucid's pixel parametrization

    def __init__(
        self, seeds: Sequence[int], size: Size = 128, *, learning_rate: float = 0.02
    ) -> None:
        super().__init__()
        self.num_samples = len(seeds)
        self.learning_rate = learning_rate
        noise = StepContext(tuple(seeds), phase="start").normal("pixels", 3, *sides(size))
        self.pixels = nn.Parameter((0.5 + self.START_SD * noise).clamp(0, 1))

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return self.pixels

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.pixels], "lr": self.learning_rate}]

    def project(self) -> None:
        self.pixels.clamp_(0, 1)

    def warp(self, warp: Warp, context: StepContext) -> None:
        moved = warped(self.pixels, warp.on(*self.pixels.shape[-2:]))
        self.pixels.copy_(moved.clamp(0, 1))

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Pixels:
        return cls(range(num_samples), size=16)
