"""Images as sums of coarse and fine levels; gradients add up in the coarse levels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.generators.image.param.arguments import level_arguments
from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import squashed
from guidance.generators.image.param.levels import FAINT, Levels, squashable
from guidance.generators.image.param.sizes import Size
from guidance.generators.image.param.start import load_start
from guidance.generators.image.param.windows import DETAIL, fits_block
from guidance.media.write_image import save_png
from guidance.types import StepContext
from guidance.views import Warp, Windows


class Pyramid(ImageGenerator):
    """Images as squashed sums of levels: `(1 + tanh(levels)) / 2`; see `Levels`.

    Args:
        seeds: one per sample, for the noise that the image starts from.
        size: pixels per side of the image, or its height and width.
        finest: cells on the longer side of the finest level, a power of two. If smaller than
            `size`, the image is interpolated between cells, which small encoders do not notice.
        learning_rate: of Adam, for each level.
        decorrelate: optimize along the decorrelated color axes of photographs instead of RGB.
        start: an image to start from, of any size, resolved up to `finest` cells.
        coarse: cells per side of the finest level that is optimized from the first step; finer
            levels follow from progress `DETAIL` on. By default all.
    """

    class Options(ImageOptions):
        """Options of "pyramid"."""

        renders_windows = True

        finest: Annotated[int, Field(ge=1, le=2048)] | Literal["auto"] = "auto"
        """Cells on the longer side of the finest level, a power of two. "auto" is 32; for images
        above 512 pixels, color gets 64 in the second half of the run."""
        start: Path | None = None
        """An image to start from."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Pyramid:
        return cls(
            canvas.seeds,
            canvas.size,
            **level_arguments(options.finest, canvas),
            start=load_start(options.start, canvas.size),
        )

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        finest: int = 64,
        learning_rate: float = 0.02,
        decorrelate: bool = False,
        start: Float[Tensor, "3 h w"] | None = None,
        coarse: int | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.size, self.finest = len(seeds), size, finest
        self.coarse = finest if coarse is None else coarse
        self.learning_rate, self.decorrelate = learning_rate, decorrelate
        if start is None:
            self.color = Levels(seeds, 3, finest, size=size)
        else:
            values = squashable(start, decorrelate=decorrelate)
            self.color = Levels(seeds, 3, finest, FAINT, size=size, start=values)
        self.advance(0.0)

    def advance(self, progress: float) -> None:
        self.color.freeze_beyond(self.finest if progress >= DETAIL else self.coarse)

    def warp(self, warp: Warp, context: StepContext) -> None:
        self.color.warp(warp)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return squashed(self.color(self.size), decorrelate=self.decorrelate)

    def through(self, windows: Windows, samples: slice = slice(None)) -> Float[Tensor, "n v 3 h w"]:
        color = self.color.through(windows, samples)
        return squashed(color.flatten(0, 1), decorrelate=self.decorrelate).view_as(color)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        path, only = folder / "image.png", slice(sample, sample + 1)
        if fits_block(self.size):
            color = self.color(self.size, only)
            return [save_png(path, squashed(color, decorrelate=self.decorrelate)[0])]
        return [self.export_blocks(path, self.size, sample)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Pyramid:
        return cls(range(num_samples), size=16, finest=16)
