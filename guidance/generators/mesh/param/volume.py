"""Values in a cube as a sum of coarse and fine levels, interpolated at points of a surface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.rendering.texture import weighted_rows
from guidance.types import StepContext

#: Texels for which a volume is evaluated at once on export.
AT_ONCE = 2**18


class Volume(nn.Module):
    """Values in the cube [-1, 1]^3: the sum of levels of 1, 2, 4, ... `finest` cells per side.

    The three-dimensional version of the levels of an image pyramid. A surface colored by position
    has no seams, however its UV map is cut.

    Args:
        seeds: one per sample.
        channels: values per cell.
        finest: cells per side of the last level, a power of two.
        start_sd: standard deviation of a level's values at the start, divided by its side.

    Raises:
        InputError: `finest` is not a power of two.
    """

    def __init__(
        self, seeds: Sequence[int], channels: int, finest: int, start_sd: float = 0.1
    ) -> None:
        super().__init__()
        if finest < 1 or finest & (finest - 1):
            raise InputError(f"finest: expected a power of two, e.g. 32, got {finest}")
        draws = StepContext(tuple(seeds), phase="start")
        self.levels = nn.ParameterList(
            nn.Parameter(
                start_sd / side * draws.normal(f"volume/{side}", channels, side, side, side)
            )
            for side in (2**i for i in range(finest.bit_length()))
        )

    def cells(self) -> Float[Tensor, "n c s s s"]:
        """The sum of the levels in the cells of the finest level, along z, y and x."""
        total: Tensor = self.levels[0]
        for level in list(self.levels)[1:]:
            total = F.interpolate(total, scale_factor=2, mode="trilinear") + level
        return total

    def forward(
        self,
        index: Int[Tensor, "m 8"],
        weights: Float[Tensor, "m 8"],
        samples: slice = slice(None),
    ) -> Float[Tensor, "n m c"]:
        """Values of some samples at `m` points, from the cells and weights of `corners`."""
        cells = self.cells()[samples].flatten(2).mT.contiguous()  # [n, s^3, c]
        n, count, _ = cells.shape
        shifts = count * torch.arange(n, device=index.device)[:, None, None]
        rows = (index + shifts).flatten(0, 1)
        return weighted_rows(cells.flatten(0, 1), rows, weights.repeat(n, 1)).view(
            n, len(index), -1
        )

    def corners(
        self, points: Float[Tensor, "m 3"]
    ) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "m 8"]]:
        """The indices of the eight cells around each point, and their trilinear weights."""
        side = self.levels[-1].shape[-1]
        position = ((points.clamp(-1, 1) + 1) * (side / 2) - 0.5).clamp(0, side - 1)
        low = position.floor().long()
        part = position - low
        high = (low + 1).clamp_max(side - 1)
        indices, shares = [], []
        for z, of_z in ((low[:, 2], 1 - part[:, 2]), (high[:, 2], part[:, 2])):
            for y, of_y in ((low[:, 1], 1 - part[:, 1]), (high[:, 1], part[:, 1])):
                for x, of_x in ((low[:, 0], 1 - part[:, 0]), (high[:, 0], part[:, 0])):
                    indices.append((z * side + y) * side + x)
                    shares.append(of_z * of_y * of_x)
        return torch.stack(indices, 1), torch.stack(shares, 1)


def texel_rows(size: int) -> Iterator[slice]:
    """The rows of a square map in slices of about `AT_ONCE` texels."""
    rows = max(1, AT_ONCE // size)
    for top in range(0, size, rows):
        yield slice(top, top + rows)
