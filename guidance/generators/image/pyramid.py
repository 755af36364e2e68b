"""Images as the sum of their coarse and fine levels: what words say lands in the coarse ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.arguments import level_arguments
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import from_rgb, to_rgb
from guidance.generators.image.param.warping import seen_before, warped
from guidance.generators.image.param.windows import (
    BLOCK,
    DETAIL,
    as_windows,
    in_blocks,
    rows_and_columns,
    through,
)
from guidance.media.read_image import load_image
from guidance.media.write_png import save_levels, save_png
from guidance.outputs import Rendering
from guidance.types import Generator, StepContext
from guidance.views import View, Warp, Windows

#: How far from black and white an image may start: there the slope is 0.04 of the middle's.
MARGIN = 0.01
#: Spread of the random values that lie over a given image: hardly to be seen, and yet no two
#: seeds start alike.
FAINT = 0.01


class Levels(nn.Module):
    """Maps of values, each the sum of its levels of 1, 2, 4, ... `finest` cells a side.

    A gradient that means something at a glance agrees over many pixels, so it adds up in the
    coarse levels; one that is adversarial texture does not, and stays small.

    Source: Fort, "Direct Ascent Synthesis" (arXiv 2502.07753). Deviations: powers of two only,
    and each level is doubled with the sum of the coarser ones, which costs one pass and is
    smoother than upsampling each level by itself.

    Args:
        seeds: one a sample.
        channels: values a cell.
        finest: cells a side of the last level, a power of two.
        start_sd: spread of a level's values at the start, divided by the level's side.
        purpose: name of the random draws, so that two maps of one sample differ.
        start: values that the levels add up to at the start, beneath the random ones; each level
            holds what the coarser ones cannot.

    Raises:
        InputError: `finest` is not a power of two; `start` has another number of channels.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        channels: int,
        finest: int,
        start_sd: float = 0.1,
        *,
        purpose: str = "levels",
        start: Float[Tensor, "c h w"] | None = None,
    ) -> None:
        super().__init__()
        if finest < 1 or finest & (finest - 1):
            raise InputError(f"finest: expected a power of two, e.g. 64, got {finest}")
        if start is not None and len(start) != channels:
            raise InputError(f"start: expected {channels} channels, got {len(start)}")
        draws = StepContext(tuple(seeds), phase="start")
        sides = [2**i for i in range(finest.bit_length())]
        self.levels = nn.ParameterList(
            nn.Parameter(start_sd / side * draws.normal(f"{purpose}/{side}", channels, side, side))
            for side in sides
        )
        if start is not None:
            with torch.no_grad():
                differences = _differences(start[None], sides)
                for level, values in zip(self.levels, differences, strict=True):
                    level.add_(values)

    def rest_beyond(self, side: int) -> None:
        """Lets the levels of more cells a side than that keep their values, and no others."""
        for level in self.levels:
            level.requires_grad_(level.shape[-1] <= side)

    @torch.no_grad()
    def warp(self, warp: Warp, beyond: Float[Tensor, "c h w"] | None = None) -> None:
        """Moves the maps. What comes in at the border is mirrored, or is `beyond`, if given."""
        total = self._sum()
        moved = warped(total, warp)
        if beyond is not None:
            seen = seen_before(moved, warp)
            moved = seen * moved + (1 - seen) * beyond
        sides = [level.shape[-1] for level in self.levels]
        for level, values in zip(self.levels, _differences(moved, sides), strict=True):
            level.copy_(values)

    def seen(
        self, windows: Windows, samples: slice = slice(None)
    ) -> Float[Tensor, "n v c pixels pixels"]:
        """The maps of some samples through their windows: the pixels that the whole ones have."""
        total = self._sum(samples)
        cells = total.shape[-1]
        rows, columns = (_bicubic_weights(line, cells) for line in rows_and_columns(windows))
        return through(rows, total, columns)

    def _sum(self, samples: slice = slice(None)) -> Float[Tensor, "n c finest finest"]:
        total: Tensor = self.levels[0][samples]
        for level in list(self.levels)[1:]:
            total = _doubled(total) + level[samples]
        return total

    def forward(self, size: int | tuple[int, int]) -> Float[Tensor, "n c h w"]:
        """The maps at `size` cells a side, or height and width, which stretches the cells.

        Bicubic where that is not the finest level's.
        """
        total = self._sum()
        finest = total.shape[-1]
        height, width = (size, size) if isinstance(size, int) else size
        if height != finest:
            total = _bicubic_lines(finest, height).to(total) @ total
        if width != finest:
            total = total @ _bicubic_lines(finest, width).to(total).mT
        return total


def _doubled(cells: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c hh ww"]:
    return F.interpolate(cells, scale_factor=2, mode="bilinear", align_corners=False)


def _differences(
    maps: Float[Tensor, "b c h w"], sides: list[int]
) -> list[Float[Tensor, "b c side side"]]:
    """What each level adds to the doubled coarser one, so that all of them make the maps."""
    finest = maps
    if maps.shape[2:] != (sides[-1], sides[-1]):
        finest = F.interpolate(
            maps, (sides[-1],) * 2, mode="bicubic", antialias=True, align_corners=False
        )
    means = [F.adaptive_avg_pool2d(finest, side) for side in sides]
    return [means[0], *(fine - _doubled(coarse) for coarse, fine in pairwise(means))]


def squashable(
    picture: Float[Tensor, "3 h w"], *, decorrelate: bool = False
) -> Float[Tensor, "3 h w"]:
    """The values that `(1 + tanh(values)) / 2` makes an image of, along the axes in use.

    Kept off black and white, whose values are infinite and whose slope is 0.
    """
    values = torch.atanh(2 * picture.clamp(MARGIN, 1 - MARGIN) - 1)
    return from_rgb(values[None])[0] if decorrelate else values


@lru_cache(maxsize=8)
def _bicubic_lines(cells: int, size: int) -> Float[Tensor, "size cells"]:
    """Bicubic resizing of one direction, as a matrix.

    Two products are 3 to 8 times faster than torch's bicubic resizing on a CPU, whose backward
    runs on one thread: 3.8 against 12.6 ms both ways for one image from 256 to 512 cells.
    """
    eye = torch.eye(cells)[None, None]
    return F.interpolate(eye, (size, cells), mode="bicubic", align_corners=False)[0, 0]


def _bicubic_weights(
    places: Float[Tensor, "*b pixels"], cells: int
) -> Float[Tensor, "*b pixels cells"]:
    """What each cell counts at places in shares of the side: torch's bicubic, at any place.

    Source: Keys, "Cubic convolution interpolation for digital image processing" (1981), with the
    slope of -0.75 that torch uses, and the cells at the border repeated beyond it.
    """
    slope = -0.75
    at = places * cells - 0.5
    first = at.floor()
    t = at - first
    weights = []
    for offset in (-1, 0, 1, 2):
        x = (t - offset).abs()
        near = (slope + 2) * x**3 - (slope + 3) * x**2 + 1
        far = slope * (x**3 - 5 * x**2 + 8 * x - 4)
        weights.append(torch.where(x <= 1, near, far))
    index = torch.stack([first + offset for offset in (-1, 0, 1, 2)], -1).clamp(0, cells - 1)
    lines = places.new_zeros(*places.shape, cells)
    return lines.scatter_add_(-1, index.long(), torch.stack(weights, -1))


class Pyramid(Generator):
    """Images as squashed sums of levels: `(1 + tanh(levels)) / 2`.

    Args:
        seeds: one a sample, for the faint noise that it starts from.
        size: pixels a side of the image, or its height and width.
        finest: cells a side of the finest level, a power of two. Below `size` the image is
            smooth between cells, which costs nothing that a small encoder could see.
        learning_rate: of Adam, for each level.
        decorrelate: optimize along the colour axes of photographs instead of RGB.
        start: an image to start from, of any size, as sharp as `finest` allows.
        coarse: cells a side of the finest level that moves from the first step; those beyond it
            join from `DETAIL` of the run on. None for all.
    """

    class Options(ImageOptions):
        """Options of "pyramid"."""

        renders_windows = True

        finest: Annotated[int, Field(ge=1, le=2048)] | Literal["auto"] = "auto"
        """Cells per side of the finest level, a power of two. "auto" is 32; for images above 512
        pixels, color gets 64 in the second half of the run."""
        start: Path | None = None
        """An image to start from."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Pyramid:
        return cls(
            canvas.seeds,
            canvas.size,
            **level_arguments(options.finest, canvas),
            start=None if options.start is None else load_image(options.start, "start"),
        )

    def __init__(
        self,
        seeds: Sequence[int],
        size: int | tuple[int, int] = 128,
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
            self.color = Levels(seeds, 3, finest)
        else:
            values = squashable(start, decorrelate=decorrelate)
            self.color = Levels(seeds, 3, finest, FAINT, start=values)
        self.advance(0.0)

    def advance(self, progress: float) -> None:
        self.color.rest_beyond(self.finest if progress >= DETAIL else self.coarse)

    def warp(self, warp: Warp, context: StepContext) -> None:
        self.color.warp(warp)

    def forward(self, view: View | None = None) -> Rendering:
        """One image a sample, or what its windows show."""
        windows = as_windows(view, self)
        if windows is None:
            return Rendering(self._squashed(self.color(self.size))[:, None])
        return Rendering(self._seen(windows), windows=windows)

    def _seen(
        self, windows: Windows, samples: slice = slice(None)
    ) -> Float[Tensor, "n v 3 pixels pixels"]:
        color = self.color.seen(windows, samples)
        return self._squashed(color.flatten(0, 1)).view_as(color)

    def _squashed(self, color: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        return (1 + torch.tanh(to_rgb(color) if self.decorrelate else color)) / 2

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        path = folder / "image.png"
        if isinstance(self.size, tuple) or self.size <= BLOCK:
            return [save_png(path, self().image[sample, 0])]
        only = slice(sample, sample + 1)
        return [save_levels(path, in_blocks(self.size, 3, lambda w: self._seen(w, only)[0, 0]))]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Pyramid:
        return cls(range(num_samples), size=16, finest=16)
