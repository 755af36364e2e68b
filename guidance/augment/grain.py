"""White noise for many crops from few random numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.transfers import to_device
from guidance.types import StepContext

#: The noise of a crop is a window into the tile of its sample, at a new random place in each step.
#: Tiles have the numbers of 1 + SLIDE crops and are drawn once in a run. New numbers for each crop
#: would take longer than the crop itself (20 ms against 3 ms for 32 crops of 224 on two cores), and
#: new tiles in each step took 2.3 ms for one sample and 16.7 ms for 16.
SLIDE = 1.0


@dataclass(frozen=True)
class Grain:
    """Standard normal noise, `[3, size, size]` for each crop.

    The numbers of a tile are independent, so a window is any contiguous run of the right length.
    """

    size: int
    tiles: Float[Tensor, "n numbers"]
    starts: Int[Tensor, "n v k"]

    @classmethod
    def draw(
        cls, context: StepContext, size: int, places: Float[Tensor, "n v k"], like: Tensor
    ) -> Grain:
        """The noise of one step, with the device and data type of `like`.

        Args:
            places: in [0, 1), the starts of the windows within their tiles.
        """
        length = 3 * size * size
        slide = int(SLIDE * length)
        tiles = _tiles(context.at_start(), length + slide, like.device, like.dtype)
        starts = (places * (slide + 1)).long().clamp_max(slide)  # the product may round up
        return cls(size, tiles, to_device(starts, like.device))

    def part(self, place: tuple[slice, slice, slice]) -> Grain:
        """The noise of some crops: slices of samples, views and crops."""
        return replace(self, tiles=self.tiles[place[0]], starts=self.starts[place])

    def windows(self, chosen: Int[Tensor, "c"] | None = None) -> Float[Tensor, "b 3 size size"]:
        """The noise of all crops in the order of [n, v, k], or of the chosen ones only."""
        length = self.tiles.shape[1]
        tops = length * torch.arange(len(self.tiles), device=self.starts.device)
        starts = (tops[:, None, None] + self.starts).flatten()
        if chosen is not None:
            starts = starts[chosen]
        # Windows overlap, so they are rows of a view; whole rows are copied 4 times faster.
        rows = self.tiles.reshape(-1).unfold(0, 3 * self.size**2, 1)
        return rows.index_select(0, starts).view(-1, 3, self.size, self.size)


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _tiles(
    context: StepContext, numbers: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "n {numbers}"]:
    """The tiles of a run: those of its steps, or those of validation."""
    return to_device(context.normal("grain", numbers), device, dtype)
