"""A single object on a transparent background: color and alpha, each from a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.arguments import level_arguments
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import squashed
from guidance.generators.image.param.levels import FAINT, MARGIN, Levels, squashable
from guidance.generators.image.param.sizes import Size, cells_of, sides
from guidance.generators.image.param.start import load_start
from guidance.generators.image.param.windows import (
    DETAIL,
    as_windows,
    fits_block,
    in_blocks,
    rows_and_columns,
)
from guidance.media.write_image import save_levels, save_png
from guidance.outputs import Rendering
from guidance.schedule import Schedule
from guidance.types import Generator, StepContext
from guidance.views import View, Warp, Windows

#: Slope of alpha at the end of a run, per pixel of the side: outlines of large images stay crisp.
SHARPNESS = 1 / 32


class Cutout(Generator):
    """Images with an alpha channel, premultiplied in the rendering.

    Losses composite them over a new random background in every crop. So the object itself, with its
    outline, must match the prompt; its surroundings cannot.

    Args:
        seeds: one per sample, for the noise that it starts from.
        size: pixels per side of the image, or its height and width.
        finest: cells on the longer side of the finest level of color and of alpha, a power of two.
        learning_rate: of Adam, for each level.
        decorrelate: optimize along the decorrelated color axes of photographs instead of RGB.
        sharpness: factor on the levels of alpha before the sigmoid, a number or a schedule; higher
            values give sharper outlines. The fade at the margin is sharpened in proportion.
        margin: share of the shorter side along the border where alpha fades to 0, so that the
            object is complete inside the image.
        start: an image to start from, of any size. Its alpha channel (straight), if any, is the
            initial alpha; otherwise that is a soft disc.
        coarse: cells on the longer side of the finest level that is optimized from the first step.
            Finer levels of color follow from progress `DETAIL` on. Alpha has no finer levels: the
            sharpness of an outline comes from its slope, and finer cells make it wavy. By default
            all levels of both.
    """

    class Options(ImageOptions):
        """Options of "cutout"."""

        crop_scale = (1.0, 1.8)
        renders_windows = True

        finest: Annotated[int, Field(ge=1, le=2048)] | Literal["auto"] = "auto"
        """Cells on the longer side of the finest level, a power of two. "auto" is 32; for images
        above 512 pixels, color gets 64 in the second half of the run."""
        start: Path | None = None
        """An image to start from."""
        outline: Schedule = Schedule.parse(1.0)
        """Weight of a compact outline."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Cutout:
        sharpness: float | str = 4.0
        if canvas.is_large:
            sharpness = f"4 -> 4 @ {DETAIL} -> {SHARPNESS * max(sides(canvas.size))} log"
        return cls(
            canvas.seeds,
            canvas.size,
            **level_arguments(options.finest, canvas),
            sharpness=sharpness,
            start=load_start(options.start, canvas.size),
        )

    #: Alpha starts as a soft disc, 0.73 in the center and 0.1 in the corners, so that color gets a
    #: gradient from the first step and the object stays in the center (chosen by eye).
    START_MIDDLE, START_FALL = 1.0, 3.5

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        finest: int = 64,
        learning_rate: float = 0.02,
        decorrelate: bool = False,
        sharpness: float | str = 4.0,
        margin: float = 0.12,
        start: Float[Tensor, "c h w"] | None = None,
        coarse: int | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.size = len(seeds), size
        self.sharpnesses = Schedule.parse(sharpness)
        if min(self.sharpnesses.values) <= 0:
            raise InputError(f"Cutout.sharpness: expected values above 0, got {sharpness!r}")
        first = self.sharpnesses(0.0)
        self.learning_rate, self.decorrelate, self.margin = learning_rate, decorrelate, margin
        self.finest, self.coarse = finest, finest if coarse is None else coarse
        of_alpha = min(self.finest, self.coarse)
        if start is None:
            self.color = Levels(seeds, 3, finest, purpose="color", size=size)
        else:
            values = squashable(start[:3], decorrelate=decorrelate)
            self.color = Levels(seeds, 3, finest, FAINT, purpose="color", size=size, start=values)
        if start is None or len(start) == 3:
            alpha = self._disc(of_alpha)[None] / first
            self.outline = Levels(seeds, 1, of_alpha, purpose="outline", size=size)
            with torch.no_grad():
                self.outline.levels[-1] += alpha
        else:
            alpha = torch.logit(start[3:], MARGIN) / first
            self.outline = Levels(
                seeds, 1, of_alpha, FAINT, purpose="outline", size=size, start=alpha
            )
        self.advance(0.0)

    def _disc(self, longer: int) -> Float[Tensor, "h w"]:
        """A round disc, whatever the aspect ratio; beyond the inner square it stays as faint."""
        height, width = sides(self.size)
        down, across = (
            ((torch.arange(count) + 0.5) / count * 2 - 1) * (side / min(height, width))
            for count, side in zip(cells_of(self.size, longer), (height, width), strict=True)
        )
        square = (down[:, None] ** 2 + across[None, :] ** 2).clamp_max(2)
        return self.START_MIDDLE - self.START_FALL / 2 * square

    def advance(self, progress: float) -> None:
        self.color.freeze_beyond(self.finest if progress >= DETAIL else self.coarse)
        self.sharpness = self.sharpnesses(progress)

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Color is mirrored at the border; alpha continues as the disc that it started from."""
        self.color.warp(warp)
        disc = self._disc(min(self.finest, self.coarse)) / self.sharpness
        self.outline.warp(warp, beyond=disc[None].to(next(self.parameters())))

    def forward(self, view: View | None = None) -> Rendering:
        """One image per sample, or the part of it in each window, premultiplied by alpha."""
        windows = as_windows(view, self)
        if windows is not None:
            color, alpha = self._layers_through(windows)
            return Rendering(color * alpha, alpha, windows=windows)
        color, alpha = self._layers()
        return Rendering((color * alpha)[:, None], alpha[:, None])

    def _layers(
        self, samples: slice = slice(None)
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n 1 h w"]]:
        """Color and alpha of the whole images of some samples."""
        color = squashed(self.color(self.size, samples), decorrelate=self.decorrelate)
        alpha = torch.sigmoid(self.sharpness * self.outline(self.size, samples))
        return color, alpha * self._border(_faded(sides(self.size), self._margins(), alpha.device))

    def _margins(self) -> tuple[float, float]:
        """The margin as a share of the height and of the width."""
        height, width = sides(self.size)
        shorter = min(height, width)
        return self.margin * (shorter / height), self.margin * (shorter / width)

    def _layers_through(
        self, windows: Windows, samples: slice = slice(None)
    ) -> tuple[Float[Tensor, "n v 3 h w"], Float[Tensor, "n v 1 h w"]]:
        """Color and alpha of some samples, through their windows."""
        levels = self.color.through(windows, samples)
        color = squashed(levels.flatten(0, 1), decorrelate=self.decorrelate).view_as(levels)
        alpha = torch.sigmoid(self.sharpness * self.outline.through(windows, samples))
        rows, columns = (
            _fade(line, margin).to(alpha)
            for line, margin in zip(rows_and_columns(windows), self._margins(), strict=True)
        )
        fade = rows[:, :, None, :, None] * columns[:, :, None, None, :]
        return color, alpha * self._border(fade)

    def _border(self, fade: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
        """The fade at the border, sharpened in proportion to the outlines."""
        steeper = self.sharpness / self.sharpnesses(0.0)
        if steeper == 1:
            return fade
        inside, outside = fade**steeper, (1 - fade) ** steeper
        return inside / (inside + outside)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png over white, and cutout.png with its alpha channel."""
        image, cutout = folder / "image.png", folder / "cutout.png"
        only = slice(sample, sample + 1)
        if fits_block(self.size):
            color, alpha = (layer[0] for layer in self._layers(only))
            return [
                save_png(image, color * alpha + 1 - alpha),
                save_png(cutout, torch.cat([color, alpha])),
            ]

        def show(block: Windows) -> Float[Tensor, "c h w"]:
            color, alpha = (layer[0, 0] for layer in self._layers_through(block, only))
            return torch.cat([color * alpha + 1 - alpha, color, alpha])

        levels = in_blocks(self.size, 7, show)
        return [save_levels(image, levels[..., :3]), save_levels(cutout, levels[..., 3:])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Cutout:
        return cls(range(num_samples), size=16, finest=16)


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _faded(
    size: tuple[int, int], margins: tuple[float, float], device: torch.device
) -> Float[Tensor, "h w"]:
    """The factor of alpha at each pixel, which is 0 at the border."""
    down, across = (
        _fade((torch.arange(side, device=device) + 0.5) / side, margin)
        for side, margin in zip(size, margins, strict=True)
    )
    return down[:, None] * across[None, :]


def _fade(positions: Float[Tensor, "*b"], margin: float) -> Float[Tensor, "*b"]:
    """Along one axis: 1 inside, with a smooth step to 0 over the margin."""
    distance = torch.minimum(positions, 1 - positions) / max(margin, 1e-6)
    step = distance.clamp(0, 1)
    return step * step * (3 - 2 * step)
