"""Windows: parts of flat images that are rendered without the rest.

An image that is a function of position can be rendered anywhere and at any resolution. So a large
image is never in memory as a whole: steps render it at low resolution and through small windows,
and a file is written block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.sizes import Size, sides
from guidance.media.pixels import to_uint8
from guidance.media.write_image import save_levels
from guidance.types import Generator, StepContext
from guidance.views import Cameras, Frames, View, Windows

#: The largest side in pixels that is rendered at once.
BLOCK = 512
#: Progress of a run from which the fine detail of large images is optimized.
DETAIL = 0.5


def whole(num_samples: int, pixels: Size) -> Windows:
    """One window per sample, over the whole image."""
    zero = torch.zeros(num_samples, 1, dtype=torch.float64)
    return Windows(zero, zero, zero + 1, pixels)


def whole_and_parts(
    context: StepContext, parts: int, side: float, pixels: Size, size: Size
) -> Windows:
    """The whole image, and `parts` random windows of it, all rendered at the same resolution.

    Args:
        side: of the random windows, as a share of the image's sides.
        pixels: of each rendered window.
        size: of the image; random windows start at whole pixels of it.
    """
    height, width = sides(size)
    extent = torch.tensor([width, height], dtype=torch.float64)
    room = extent - (side * extent).round()
    draws = context.uniform("windows", parts, 2).double()
    corners = (draws * (room + 1)).floor() / extent
    first = whole(len(context.seeds), pixels)
    return Windows(
        torch.cat([first.left, corners[..., 0]], 1),
        torch.cat([first.top, corners[..., 1]], 1),
        torch.cat([first.side, torch.full_like(corners[..., 0], side)], 1),
        pixels,
    )


def rows_and_columns(
    windows: Windows,
) -> tuple[Float[Tensor, "n v rows"], Float[Tensor, "n v columns"]]:
    """The positions of the centers of each window's rows and columns, in shares of the image."""
    down, across = (
        (torch.arange(count, dtype=torch.float64) + 0.5) / count for count in windows.shape
    )
    rows = windows.top[..., None] + windows.height[..., None] * down
    return rows, windows.left[..., None] + windows.side[..., None] * across


def through(
    rows: Float[Tensor, "n v h down"],
    cells: Float[Tensor, "n c down across"],
    columns: Float[Tensor, "n v w across"],
) -> Float[Tensor, "n v c h w"]:
    """Maps of cells, weighted by each row and each column of the windows."""
    return rows.to(cells)[:, :, None] @ cells[:, None] @ columns.to(cells)[:, :, None].mT


def as_windows(view: View | None, generator: Generator) -> Windows | None:
    """The view of a flat image: windows, or None for the whole image.

    Raises:
        InputError: the view is for meshes or videos.
    """
    if isinstance(view, Cameras | Frames):
        kind = type(view).__name__.lower()
        raise InputError(
            f"{type(generator).__name__}: a flat image takes no {kind}; give windows or nothing"
        )
    return view


def whole_only(view: View | None, generator: Generator) -> None:
    """Checks the view of a generator that computes images only as a whole: None.

    Raises:
        InputError: there is a view.
    """
    if as_windows(view, generator) is not None:
        raise no_windows(generator)


def no_windows(generator: Generator) -> InputError:
    """The error of generators that cannot be evaluated through windows."""
    return InputError(
        f"{type(generator).__name__}: computes its image as a whole and takes no windows; use "
        "another generator, e.g. pyramid, or give no views"
    )


def fits_block(size: Size) -> bool:
    """Whether an image of this size is rendered as a whole."""
    return max(sides(size)) <= BLOCK


def in_blocks(
    size: Size, channels: int, show: Callable[[Windows], Float[Tensor, "c rows columns"]]
) -> UInt8[np.ndarray, "h w {channels}"]:
    """An 8-bit image of any size; only one block of it is rendered at a time.

    Args:
        show: renders one window of one sample, in [0, 1].
    """
    levels = np.empty((*sides(size), channels), np.uint8)
    for top, left, block in _blocks(size):
        rows, columns = block.shape
        place = (slice(top, top + rows), slice(left, left + columns))
        levels[place] = to_uint8(show(block))
    return levels


def save_blocks(
    path: Path, size: Size, show: Callable[[Windows], Float[Tensor, "3 rows columns"]]
) -> Path:
    """Writes an RGB image of any size; see `in_blocks`."""
    return save_levels(path, in_blocks(size, 3, show))


def _blocks(size: Size) -> Iterator[tuple[int, int, Windows]]:
    """Blocks of one size that cover an image; the last ones may overlap the others."""
    height, width = sides(size)
    rows, columns = min(height, BLOCK), min(width, BLOCK)
    for top in [min(start, height - rows) for start in range(0, height, rows)]:
        for left in [min(start, width - columns) for start in range(0, width, columns)]:
            x, y, across, down = (
                torch.full((1, 1), length / whole, dtype=torch.float64)
                for length, whole in (
                    (left, width),
                    (top, height),
                    (columns, width),
                    (rows, height),
                )
            )
            yield top, left, Windows(x, y, across, (rows, columns), down)
