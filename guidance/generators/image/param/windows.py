"""View at parts of flat images: where windows lie, and what is rendered through them.

An image that is a formula of the place can be shown at any place and in any resolution. So a
large one is never held as a whole: steps look at it from afar and through small windows, and a
file is filled block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.types import Generator, StepContext
from guidance.views import Cameras, Frames, View, Windows

#: Pixels a side that are rendered at once, at most.
BLOCK = 512
#: Progress of a run from which on the detail of large images is worked on.
DETAIL = 0.5


def whole(num_samples: int, pixels: int) -> Windows:
    """One window a sample, over the whole image."""
    nothing = torch.zeros(num_samples, 1, dtype=torch.float64)
    return Windows(nothing, nothing, nothing + 1, pixels)


def whole_and_parts(
    context: StepContext, parts: int, side: float, pixels: int, size: int
) -> Windows:
    """The whole image, and `parts` windows on random pixels of it, in one resolution each.

    Args:
        side: of the random windows, a share of the image's.
        pixels: a side, of all of them.
        size: pixels a side of the image, which the random windows start at.
    """
    room = size - round(side * size)
    draws = context.uniform("windows", parts, 2).double()
    corners = (draws * (room + 1)).floor() / size
    first = whole(len(context.seeds), pixels)
    return Windows(
        torch.cat([first.left, corners[..., 0]], 1),
        torch.cat([first.top, corners[..., 1]], 1),
        torch.cat([first.side, torch.full_like(corners[..., 0], side)], 1),
        pixels,
    )


def rows_and_columns(
    windows: Windows,
) -> tuple[Float[Tensor, "n v pixels"], Float[Tensor, "n v pixels"]]:
    """Where the middles of a window's rows and columns lie, in shares of the image."""
    line = (torch.arange(windows.pixels, dtype=torch.float64) + 0.5) / windows.pixels
    steps = windows.side[..., None] * line
    return windows.top[..., None] + steps, windows.left[..., None] + steps


def through(
    rows: Float[Tensor, "n v pixels cells"],
    cells: Float[Tensor, "n c cells cells"],
    columns: Float[Tensor, "n v pixels cells"],
) -> Float[Tensor, "n v c pixels pixels"]:
    """Maps of cells, mixed by the weights of each row and each column of the windows."""
    return rows.to(cells)[:, :, None] @ cells[:, None] @ columns.to(cells)[:, :, None].mT


def as_windows(looks: View | None, generator: Generator) -> Windows | None:
    """What a flat image is looked at with.

    Raises:
        InputError: cameras or frames, which are for things that are rendered, and for clips.
    """
    if isinstance(looks, Cameras | Frames):
        kind = type(looks).__name__.lower()
        raise InputError(
            f"{type(generator).__name__}: a flat image takes no {kind}; give windows or nothing"
        )
    return looks


def whole_only(looks: View | None, generator: Generator) -> None:
    """Refuses windows of a generator whose image is made in one piece.

    Raises:
        InputError: there are windows, or cameras.
    """
    if as_windows(looks, generator) is not None:
        raise InputError(
            f"{type(generator).__name__}: makes its image in one piece and has no windows; use "
            "e.g. a pyramid, or give none"
        )


def in_blocks(
    size: int, channels: int, show: Callable[[Windows], Float[Tensor, "c pixels pixels"]]
) -> UInt8[np.ndarray, "{size} {size} {channels}"]:
    """An image of any size in 8 bits, in the memory of one block besides its own.

    Args:
        show: renders one window of one sample, in [0, 1].
    """
    levels = np.empty((size, size, channels), np.uint8)
    for top, left, block in _blocks(size):
        pixels = (show(block).detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
        place = (slice(top, top + block.pixels), slice(left, left + block.pixels))
        levels[place] = pixels.permute(1, 2, 0).numpy()
    return levels


def _blocks(size: int) -> Iterator[tuple[int, int, Windows]]:
    """Blocks of one size that cover an image; the last ones overlap those before."""
    pixels = min(size, BLOCK)
    corners = [min(start, size - pixels) for start in range(0, size, pixels)]
    for top in corners:
        for left in corners:
            x, y, side = (
                torch.full((1, 1), length / size, dtype=torch.float64)
                for length in (left, top, pixels)
            )
            yield top, left, Windows(x, y, side, pixels)
