"""Pixel art: a coarse grid of cells with free colors or colors of a small palette."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.arguments import export_arguments
from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.sizes import Size, sides
from guidance.generators.image.param.windows import (
    fits_block,
    rows_and_columns,
    save_blocks,
    through,
)
from guidance.media.colors import parse_color
from guidance.media.write_image import save_png
from guidance.schedule import Schedule
from guidance.types import StepContext
from guidance.views import Warp, Windows


class Grid(ImageGenerator):
    """Cells of one color each, enlarged without smoothing.

    Without a palette, the parameters of a cell are its color in [0, 1]. With a palette, they are
    logits of its colors, and the cell has the most likely color, during the run as in the
    exported image. The gradient is that of the mixture by `softmax(logits / temperature)`, a
    straight-through estimate. A high temperature moves all logits of a cell at once; a low one
    mainly those of the most likely colors.

    Source: Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons"
    (arXiv 1308.3432), for the straight-through estimate. The palette starts as Roberts' R3
    sequence ("The Unreasonable Effectiveness of Quasirandom Sequences", 2018), spread evenly.

    Args:
        seeds: one per sample, for the colors or logits that it starts from.
        size: pixels per side of the image, or its height and width, multiples of the cells that it
            shows.
        cells: cells on the shorter side; the longer side has as many as fit.
        palette: None for free colors; a number of colors to optimize, 2 to 256; or the colors,
            as "#rrggbb" or CSS names.
        temperature: of the softmax, a number or a schedule; with a palette by default
            "1 -> 0.02 log". Not available for free colors.
        tileable: losses read the grid repeated 2 by 2, so that opposite borders fit; one tile is
            exported.
        learning_rate: of Adam, for colors in units of the range of values; times `CHOICE_RATE` for
            logits.
        export_size: size of the exported image, a multiple of the cells; by default `size`.

    Raises:
        InputError: sizes that are not multiples of the cells, a palette or temperature out of
            range, a temperature without a palette.
    """

    class Options(ImageOptions):
        """Options of "grid"."""

        renders_windows = True

        cells: int = Field(default=32, ge=1, le=1024)
        """Cells on the shorter side."""
        colors: Annotated[int, Field(ge=2, le=256)] | Literal["any"] = "any"
        """Number of colors, which are optimized too."""
        palette: tuple[str, ...] = ()
        """The only colors to use, as #rrggbb or names."""
        tileable: bool = False
        """Makes opposite borders fit each other."""
        export_size: Annotated[int, Field(ge=8, le=8192)] | Literal["size"] = "size"
        """Pixels of the longer side of the files, which are sharp at any size."""

        @model_validator(mode="after")
        def _check_colors(self) -> Any:
            if self.palette and self.colors != "any":
                raise InputError("--colors: the palette sets the colors; give one of the two")
            return self

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Grid:
        colors = None if options.colors == "any" else options.colors
        return cls(
            canvas.seeds,
            canvas.size,
            cells=options.cells,
            tileable=options.tileable,
            palette=options.palette or colors,
            **export_arguments(options.export_size, canvas),
        )

    def check_warp(self, warp: Warp) -> None:
        whole_cells(warp, self.shape)

    CHOICE_RATE = 5.0  # measured with the default temperature on 8 and 16 colors: 1, 5, 25
    START_SD = 0.01  # as lucid's pixel parametrization
    palette: Tensor  # [n, k, 3]; learned or given

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        cells: int = 32,
        palette: int | Sequence[str] | None = None,
        temperature: float | str | None = None,
        tileable: bool = False,
        learning_rate: float = 0.02,
        export_size: Size | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.size, self.cells = len(seeds), size, cells
        self.repeats, self.learning_rate = 1 + tileable, learning_rate
        self.export_size = export_size or size
        self.shape = _shape(cells, size)
        _check_sizes(self.shape, self.repeats, size, self.export_size)
        if palette is None and temperature is not None:
            raise InputError(
                "Grid.temperature: applies only to a palette; remove it or give a palette, e.g. "
                "palette=8"
            )
        self.temperatures = _temperatures("1 -> 0.02 log" if temperature is None else temperature)
        self.advance(0.0)
        start = StepContext(tuple(seeds), phase="start")
        self.is_free = palette is None
        if palette is None:
            noise = start.normal("colors", 3, *self.shape)
            self.colors = nn.Parameter((0.5 + self.START_SD * noise).clamp(0, 1))
            return
        if isinstance(palette, int):
            if not 2 <= palette <= 256:
                raise InputError(f"Grid.palette: expected 2 to 256 colors, got {palette}")
            self.palette = nn.Parameter(_spread_colors(start.uniform("palette", 3), palette))
        else:
            known = _read_colors(palette).expand(len(seeds), -1, -1)
            self.register_buffer("palette", known.clone(), persistent=False)
        noise = start.normal("choices", self.palette.shape[1], *self.shape)
        self.choices = nn.Parameter(self.START_SD * noise)

    def advance(self, progress: float) -> None:
        self.temperature = self.temperatures(progress)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return _enlarged(self.tiles().repeat(1, 1, self.repeats, self.repeats), self.size)

    def through(self, windows: Windows, samples: slice = slice(None)) -> Float[Tensor, "n v 3 h w"]:
        return _through(self.tiles()[samples], windows, self.repeats)

    def tiles(self) -> Float[Tensor, "n 3 rows columns"]:
        """One pixel per cell."""
        if self.is_free:
            return self.colors
        # The values of the most likely colors, with the gradient of the mixture.
        weights = (self.choices / self.temperature).softmax(1)
        mixed = torch.einsum("nkhw,nkc->nchw", weights, self.palette)
        chosen = self.choices.argmax(1).flatten(1)
        shown = self.palette.detach().gather(1, chosen[..., None].expand(-1, -1, 3))
        return shown.mT.reshape_as(mixed) + (mixed - mixed.detach())

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Moves whole cells; they wrap around if tileable, otherwise they are mirrored.

        Raises:
            InputError: see `whole_cells`.
        """
        moves = whole_cells(warp, self.shape)
        maps = self.colors if self.is_free else self.choices
        for map_, (right, down) in zip(maps, moves.tolist(), strict=True):
            rows, columns = (
                self._folded(torch.arange(count, device=maps.device) - shift, count)
                for count, shift in zip(self.shape, (down, right), strict=True)
            )
            map_.copy_(map_[:, rows][:, :, columns])

    def _folded(self, index: Int[Tensor, "cells"], count: int) -> Int[Tensor, "cells"]:
        """The cells that are shown at indices beyond the border."""
        if self.repeats > 1:
            return index.remainder(count)
        index = index.remainder(2 * count)
        return torch.minimum(index, 2 * count - 1 - index)

    def param_groups(self) -> list[dict[str, Any]]:
        groups = [
            {"params": [parameter], "lr": self.learning_rate}
            for name, parameter in self.named_parameters()
            if name != "choices"
        ]
        if not self.is_free:
            groups.append({"params": [self.choices], "lr": self.CHOICE_RATE * self.learning_rate})
        return groups

    def project(self) -> None:
        for name, parameter in self.named_parameters():
            if name != "choices":
                parameter.clamp_(0, 1)

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, enlarged to `export_size`, and cells.png with one pixel per cell."""
        tile = self.tiles()[sample]
        path, size = folder / "image.png", self.export_size
        if fits_block(size):
            save_png(path, _enlarged(tile[None], size)[0])
        else:
            save_blocks(path, size, lambda block: _through(tile[None], block)[0, 0])
        return [path, save_png(folder / "cells.png", tile)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Grid:
        return cls(range(num_samples), size=16, cells=8, palette=4, learning_rate=0.05)


def whole_cells(warp: Warp, shape: tuple[int, int]) -> Int[Tensor, "n 2"]:
    """The number of cells by which a warp moves a grid of some rows and columns, right and down.

    Raises:
        InputError: it is not a whole number, or the warp rotates or zooms.
    """
    moves = warp.matrix[..., 2] / 2 * warp.matrix.new_tensor(shape[::-1])
    plain = torch.allclose(warp.matrix[..., :2], torch.eye(2, dtype=warp.matrix.dtype))
    if not plain or not torch.allclose(moves, moves.round(), atol=1e-3):
        raise InputError(
            f"grid: expected a pan of whole cells, a multiple of {1 / shape[1]:g} to the right and "
            f"{1 / shape[0]:g} down per frame, without zoom and rotation; or use --generator "
            "pyramid"
        )
    return moves.round().long()


def _enlarged(cells: Float[Tensor, "n 3 k l"], size: Size) -> Float[Tensor, "n 3 h w"]:
    return F.interpolate(cells, scale_factor=sides(size)[0] // cells.shape[-2], mode="nearest")


def _through(
    cells: Float[Tensor, "n 3 k l"], windows: Windows, repeats: int = 1
) -> Float[Tensor, "n v 3 h w"]:
    """Repeated cells through windows; each pixel has the color of one cell."""
    rows, columns = (
        # The weight of a pixel is 1 for its cell and 0 for the others, so the product is exact.
        F.one_hot((line * count * repeats).long() % count, count).to(cells)
        for line, count in zip(rows_and_columns(windows), cells.shape[-2:], strict=True)
    )
    return through(rows, cells, columns)


def _shape(cells: int, size: Size) -> tuple[int, int]:
    """Rows and columns of square cells, `cells` on the shorter side."""
    if cells < 1:
        raise InputError(f"Grid.cells: expected at least 1, got {cells}")
    height, width = sides(size)
    shorter = max(1, min(height, width))
    return max(cells, round(cells * height / shorter)), max(cells, round(cells * width / shorter))


def _check_sizes(shape: tuple[int, int], repeats: int, size: Size, export_size: Size) -> None:
    for name, pixels, times in (("size", size, repeats), ("export_size", export_size, 1)):
        counts = [count * times for count in shape]
        wanted = sides(pixels)
        cell = max(1, round(min(wanted) / min(counts)))
        if wanted == (cell * counts[0], cell * counts[1]):
            continue
        if isinstance(pixels, int):
            got, use = f"{pixels}", f"{cell * counts[0]}"
            expected = f"a multiple of the {counts[0]} cells per side"
        else:
            got, use = f"{wanted[1]} x {wanted[0]}", f"{cell * counts[1]}x{cell * counts[0]}"
            expected = f"width and height of {counts[1]} x {counts[0]} square cells"
        raise InputError(f"Grid.{name}: expected {expected}, got {got}; use e.g. {use}")


def _temperatures(text: float | str) -> Schedule:
    schedule = Schedule.parse(text)
    if min(schedule.values) <= 0:
        raise InputError(f"Grid.temperature: expected values above 0, got {text!r}")
    return schedule


def _spread_colors(offset: Float[Tensor, "n 3"], count: int) -> Float[Tensor, "n k 3"]:
    """Points of the R3 sequence, shifted by an offset for each sample, modulo 1."""
    ratio = 1.2207440846057596  # the root of x^4 = x + 1
    index = torch.arange(1, count + 1)
    places = torch.stack([index * ratio**-axis for axis in (1, 2, 3)], -1)
    return (offset[:, None] + places).remainder(1)


def _read_colors(colors: Sequence[str]) -> Float[Tensor, "k 3"]:
    if isinstance(colors, str) or not 2 <= len(colors) <= 256:
        raise InputError(
            f'Grid.palette: expected a number or 2 to 256 colors, e.g. ("#1a1c2c", "white"), got '
            f"{colors!r}"
        )
    return torch.tensor([parse_color(color, "Grid.palette") for color in colors])
