"""Images as a small network of sines: a formula of the place, which has no pixels of its own."""

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
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import to_rgb
from guidance.generators.image.param.windows import BLOCK, as_windows, in_blocks, rows_and_columns
from guidance.media.write_png import save_levels, save_png
from guidance.outputs import Rendering
from guidance.types import Generator, StepContext
from guidance.views import View, Warp, Windows


class Siren(Generator):
    """A sine network for each sample, from the place in [-1, 1]^2 to a colour, `(1 + tanh) / 2`.

        x -> sin(omega (W x + b)) -> ... -> sin(omega (W x + b)) -> W x + b

    Samples share no weight; their networks run side by side as batched matrix products. The
    image is smooth between any two pixels, so it can be shown and exported at any size.

    Source: Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions"
    (arXiv 2006.09661), with the starting weights of section 3.2 and the biases of its code.
    Deviation: the squashed output.

    Args:
        seeds: one a sample, for the weights that it starts from.
        size: pixels a side where the losses look at it.
        learning_rate: of Adam (the paper: 0.0001, for networks four times as wide and as many
            thousand steps).
        width: units of a hidden layer.
        layers: hidden layers, at least 1.
        omega: the first layer's frequencies reach `omega / pi` waves from side to side; more
            gives finer detail, and noise sooner (the paper: 30).
        decorrelate: optimize along the colour axes of photographs instead of RGB.
        export_size: pixels a side of the exported image; None for `size`.

    Raises:
        InputError: a size, width or number of layers below 1; `omega` not above 0.
    """

    class Options(ImageOptions):
        """Options of "siren"."""

        renders_windows = True

        export_size: Annotated[int, Field(ge=8, le=8192)] | Literal["size"] = "size"
        """Pixels per side of the files, which are sharp at any size."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Siren:
        return cls(canvas.seeds, canvas.size, **export_arguments(options.export_size))

    def __init__(
        self,
        seeds: Sequence[int],
        size: int = 128,
        *,
        learning_rate: float = 0.002,
        width: int = 64,
        layers: int = 3,
        omega: float = 30.0,
        decorrelate: bool = False,
        export_size: int | None = None,
    ) -> None:
        super().__init__()
        counts = {"size": size, "width": width, "layers": layers, "export_size": export_size}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise InputError(f"Siren.{name}: expected at least 1, got {count}")
        if not 0 < omega < math.inf:
            raise InputError(f"Siren.omega: expected a number above 0, e.g. 30, got {omega}")
        self.num_samples, self.size, self.export_size = len(seeds), size, export_size or size
        self.learning_rate, self.omega, self.decorrelate = learning_rate, omega, decorrelate
        start = StepContext(tuple(seeds), phase="start")
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(pairwise((2, *[width] * layers, 3))):
            # Section 3.2: with these bounds each sine's argument stays standard normal, however
            # deep the network is. The omega within the sine is divided out again.
            bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
            weight = 2 * start.uniform(f"weights/{layer}", fan_in, fan_out) - 1
            bias = 2 * start.uniform(f"biases/{layer}", 1, fan_out) - 1
            self.weights.append(nn.Parameter(bound * weight))
            self.biases.append(nn.Parameter(bias / math.sqrt(fan_in)))

    def forward(self, view: View | None = None) -> Rendering:
        """One image a sample, or what its windows show."""
        windows = as_windows(view, self)
        if windows is None:
            return Rendering(self.pictures(self.size)[:, None])
        return Rendering(self._seen(windows), windows=windows)

    def pictures(self, size: int) -> Float[Tensor, "n 3 h w"]:
        """The images at any size, each pixel as the formula's value at its middle."""
        first = self.weights[0]
        line = (torch.arange(size, dtype=first.dtype, device=first.device) + 0.5) * 2 / size - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        places = torch.stack([x, y], -1).view(1, -1, 2).expand(self.num_samples, -1, -1)
        return self._colors(self._values(places).reshape(-1, 3, size, size))

    def _seen(
        self, windows: Windows, samples: slice = slice(None)
    ) -> Float[Tensor, "n v 3 pixels pixels"]:
        """What the windows of some samples show."""
        first = self.weights[0]
        y, x = (2 * line.to(first) - 1 for line in rows_and_columns(windows))
        n, v, pixels = x.shape
        across = x[:, :, None, :].expand(-1, -1, pixels, -1)
        down = y[:, :, :, None].expand(-1, -1, -1, pixels)
        grid = torch.stack([across, down], -1)
        values = self._values(grid.view(n, -1, 2), samples).view(n, 3, v, pixels, pixels)
        colors = self._colors(values.transpose(1, 2).flatten(0, 1))
        return colors.view(n, v, 3, pixels, pixels)

    def _values(
        self, values: Float[Tensor, "n places 2"], samples: slice = slice(None)
    ) -> Float[Tensor, "n 3 places"]:
        """The networks of some samples at places in [-1, 1]^2."""
        last = len(self.weights) - 1
        for layer, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            weight, bias = weights[samples], biases[samples]
            if layer == last:
                values = torch.baddbmm(bias, values, weight)
            else:
                scaled = torch.baddbmm(bias, values, weight, beta=self.omega, alpha=self.omega)
                values = scaled.sin()
        return values.mT

    def _colors(self, colors: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        return (1 + torch.tanh(to_rgb(colors) if self.decorrelate else colors)) / 2

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Exact: the first layer takes its places from where they were. Beyond, sines go on."""
        weight, bias = self.weights[0], self.biases[0]
        came_from = warp.back().to(weight)
        bias += came_from[..., 2:].mT @ weight
        weight.copy_(came_from[..., :2].mT @ weight)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png at `export_size`."""
        path, size = folder / "image.png", self.export_size
        if size <= BLOCK:
            return [save_png(path, self.pictures(size)[sample])]
        only = slice(sample, sample + 1)
        return [save_levels(path, in_blocks(size, 3, lambda block: self._seen(block, only)[0, 0]))]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Siren:
        return cls(range(num_samples), size=16, width=32, layers=2, omega=5.0, learning_rate=0.01)
