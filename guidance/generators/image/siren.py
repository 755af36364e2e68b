"""Images as small networks with sine activations, from position to color."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.arguments import export_arguments
from guidance.generators.image.param.base import ImageGenerator, check_counts
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import squashed
from guidance.generators.image.param.sizes import Size, sides, unit
from guidance.generators.image.param.windows import fits_block, rows_and_columns
from guidance.media.write_image import save_png
from guidance.types import StepContext
from guidance.views import Warp, Windows


class Siren(ImageGenerator):
    """A sine network for each sample, from a position to a color, `(1 + tanh) / 2`.

        x -> sin(omega (W x + b)) -> ... -> sin(omega (W x + b)) -> W x + b

    Positions are in [-1, 1]^2 for a square image, and for others in a rectangle of the same area
    and the image's aspect ratio. Samples share no weights; their networks run in parallel as
    batched matrix products. The image is a smooth function of position, so it can be rendered and
    exported at any size.

    Source: Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions"
    (arXiv 2006.09661), with the starting weights of section 3.2 and the biases of its code.
    Deviation: the squashed output.

    Args:
        seeds: one per sample, for the weights that it starts from.
        size: pixels per side of the images that losses read, or their height and width.
        learning_rate: of Adam (the paper: 0.0001, for networks four times as wide and as many
            thousand steps).
        width: units per hidden layer.
        layers: hidden layers, at least 1.
        omega: the frequencies of the first layer reach `omega / pi` waves per side; higher values
            give finer detail, but also earlier noise (the paper: 30).
        decorrelate: optimize along the decorrelated color axes of photographs instead of RGB.
        export_size: size of the exported image; by default `size`.

    Raises:
        InputError: a size, width or number of layers below 1; `omega` not above 0.
    """

    class Options(ImageOptions):
        """Options of "siren"."""

        renders_windows = True

        export_size: Annotated[int, Field(ge=8, le=8192)] | Literal["size"] = "size"
        """Pixels of the longer side of the files, which are sharp at any size."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Siren:
        return cls(canvas.seeds, canvas.size, **export_arguments(options.export_size, canvas))

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        learning_rate: float = 0.002,
        width: int = 64,
        layers: int = 3,
        omega: float = 30.0,
        decorrelate: bool = False,
        export_size: Size | None = None,
    ) -> None:
        super().__init__()
        check_counts("Siren", size=min(sides(size)), width=width, layers=layers)
        check_counts("Siren", export_size=min(sides(size if export_size is None else export_size)))
        if not 0 < omega < math.inf:
            raise InputError(f"Siren.omega: expected a number above 0, e.g. 30, got {omega}")
        self.num_samples, self.size, self.export_size = len(seeds), size, export_size or size
        self.learning_rate, self.omega, self.decorrelate = learning_rate, omega, decorrelate
        start = StepContext(tuple(seeds), phase="start")
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(pairwise((2, *[width] * layers, 3))):
            # Section 3.2: with these bounds the argument of each sine is standard normal at any
            # depth. The factor omega inside the sine is divided out.
            bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
            weight = 2 * start.uniform(f"weights/{layer}", fan_in, fan_out) - 1
            bias = 2 * start.uniform(f"biases/{layer}", 1, fan_out) - 1
            self.weights.append(nn.Parameter(bound * weight))
            self.biases.append(nn.Parameter(bias / math.sqrt(fan_in)))

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return self.images_at(self.size)

    def images_at(self, size: Size) -> Float[Tensor, "n 3 h w"]:
        """The images at any size, evaluated at the pixel centers."""
        first = self.weights[0]
        down, across = (
            ((torch.arange(side, dtype=first.dtype, device=first.device) + 0.5) * 2 / side - 1)
            * reach
            for side, reach in zip(sides(size), self._reach(), strict=True)
        )
        y, x = torch.meshgrid(down, across, indexing="ij")
        points = torch.stack([x, y], -1).view(1, -1, 2).expand(self.num_samples, -1, -1)
        values = self._values(points).reshape(-1, 3, *sides(size))
        return squashed(values, decorrelate=self.decorrelate)

    def _reach(self) -> tuple[float, float]:
        """The largest coordinates in the directions of height and width."""
        height, width = (side / unit(self.size) for side in sides(self.size))
        return height, width

    def through(self, windows: Windows, samples: slice = slice(None)) -> Float[Tensor, "n v 3 h w"]:
        first = self.weights[0]
        y, x = (
            (2 * line.to(first) - 1) * reach
            for line, reach in zip(rows_and_columns(windows), self._reach(), strict=True)
        )
        n, v, columns = x.shape
        rows = y.shape[-1]
        across = x[:, :, None, :].expand(-1, -1, rows, -1)
        down = y[:, :, :, None].expand(-1, -1, -1, columns)
        grid = torch.stack([across, down], -1)
        values = self._values(grid.view(n, -1, 2), samples).view(n, 3, v, rows, columns)
        colors = squashed(values.transpose(1, 2).flatten(0, 1), decorrelate=self.decorrelate)
        return colors.view(n, v, 3, rows, columns)

    def _values(
        self, values: Float[Tensor, "n points 2"], samples: slice = slice(None)
    ) -> Float[Tensor, "n 3 points"]:
        """The networks of some samples at points."""
        last = len(self.weights) - 1
        for layer, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            weight, bias = weights[samples], biases[samples]
            if layer == last:
                values = torch.baddbmm(bias, values, weight)
            else:
                scaled = torch.baddbmm(bias, values, weight, beta=self.omega, alpha=self.omega)
                values = scaled.sin()
        return values.mT

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Exact: transforms the positions in the first layer. The sines continue at the border."""
        weight, bias = self.weights[0], self.biases[0]
        came_from = warp.back().to(weight)
        # Rotation and zoom keep their matrix in these coordinates; shares of the sides are scaled.
        came_from[..., 2] *= came_from.new_tensor(self._reach()[::-1])
        bias += came_from[..., 2:].mT @ weight
        weight.copy_(came_from[..., :2].mT @ weight)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png at `export_size`."""
        path, size = folder / "image.png", self.export_size
        if fits_block(size):
            return [save_png(path, self.images_at(size)[sample])]
        return [self.export_blocks(path, size, sample)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Siren:
        return cls(range(num_samples), size=16, width=32, layers=2, omega=5.0, learning_rate=0.01)
