"""Maps of values as sums of coarse and fine levels, and images as such values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.color import from_rgb
from guidance.generators.image.param.warping import inside_before, warped
from guidance.generators.image.param.windows import rows_and_columns, through
from guidance.types import StepContext
from guidance.views import Warp, Windows

#: The least distance of a start image from black and white; the slope of tanh is 0.04 there.
MARGIN = 0.01
#: Standard deviation of the noise on a start image: invisible, but different for each seed.
FAINT = 0.01


class Levels(nn.Module):
    """Maps of values: the sum of levels of 1, 2, 4, ... `finest` cells per side.

    The gradient of a visible shape has the same sign over many pixels, so it adds up in the coarse
    levels; the gradient of adversarial texture does not, and stays small.

    Source: Fort, "Direct Ascent Synthesis" (arXiv 2502.07753). Deviations: powers of two only,
    and levels are upsampled together with the sum of the coarser ones, which takes one pass and is
    smoother than upsampling each level alone.

    Args:
        seeds: one per sample.
        channels: values per cell.
        finest: cells per side of the last level, a power of two.
        start_sd: standard deviation of a level's values at the start, divided by its side.
        purpose: key of the random draws, so that two maps of one sample differ.
        start: values at the start, besides the noise. Each level holds the difference to the
            upsampled coarser levels.

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

    def freeze_beyond(self, side: int) -> None:
        """Freezes the levels with more cells per side, and no others."""
        for level in self.levels:
            level.requires_grad_(level.shape[-1] <= side)

    @torch.no_grad()
    def warp(self, warp: Warp, beyond: Float[Tensor, "c h w"] | None = None) -> None:
        """Moves the maps. New content at the border is mirrored, or is `beyond` if given."""
        total = self._sum()
        moved = warped(total, warp)
        if beyond is not None:
            inside = inside_before(moved, warp)
            moved = inside * moved + (1 - inside) * beyond
        sides = [level.shape[-1] for level in self.levels]
        for level, values in zip(self.levels, _differences(moved, sides), strict=True):
            level.copy_(values)

    def through(
        self, windows: Windows, samples: slice = slice(None)
    ) -> Float[Tensor, "n v c pixels pixels"]:
        """The maps of some samples through their windows; the same pixels as in the whole maps."""
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
        """The maps, resized to `size` cells per side, or to a height and width; bicubic."""
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
    """The differences of each level from the upsampled coarser level, which sum to the maps."""
    finest = maps
    if maps.shape[2:] != (sides[-1], sides[-1]):
        finest = F.interpolate(
            maps, (sides[-1],) * 2, mode="bicubic", antialias=True, align_corners=False
        )
    means = [F.adaptive_avg_pool2d(finest, side) for side in sides]
    return [means[0], *(fine - _doubled(coarse) for coarse, fine in pairwise(means))]


def squashable(
    image: Float[Tensor, "3 h w"], *, decorrelate: bool = False
) -> Float[Tensor, "3 h w"]:
    """The values whose `squashed` is an image.

    The image is clamped to exclude black and white, whose values are infinite and whose gradient
    is 0.
    """
    values = torch.atanh(2 * image.clamp(MARGIN, 1 - MARGIN) - 1)
    return from_rgb(values[None])[0] if decorrelate else values


@lru_cache(maxsize=8)
def _bicubic_lines(cells: int, size: int) -> Float[Tensor, "size cells"]:
    """Bicubic resizing along one axis, as a matrix.

    Two matrix products are 3 to 8 times faster than torch's bicubic resizing on a CPU, whose
    backward uses one thread: 3.8 against 12.6 ms for forward and backward of one image from 256 to
    512 cells.
    """
    eye = torch.eye(cells)[None, None]
    return F.interpolate(eye, (size, cells), mode="bicubic", align_corners=False)[0, 0]


def _bicubic_weights(
    positions: Float[Tensor, "*b pixels"], cells: int
) -> Float[Tensor, "*b pixels cells"]:
    """The bicubic weights of all cells at positions in [0, 1], as in torch's resizing.

    Source: Keys, "Cubic convolution interpolation for digital image processing" (1981), with
    torch's slope of -0.75 and border cells repeated.
    """
    slope = -0.75
    at = positions * cells - 0.5
    first = at.floor()
    t = at - first
    weights = []
    for offset in (-1, 0, 1, 2):
        x = (t - offset).abs()
        near = (slope + 2) * x**3 - (slope + 3) * x**2 + 1
        far = slope * (x**3 - 5 * x**2 + 8 * x - 4)
        weights.append(torch.where(x <= 1, near, far))
    index = torch.stack([first + offset for offset in (-1, 0, 1, 2)], -1).clamp(0, cells - 1)
    lines = positions.new_zeros(*positions.shape, cells)
    return lines.scatter_add_(-1, index.long(), torch.stack(weights, -1))
