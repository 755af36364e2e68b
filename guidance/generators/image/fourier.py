"""Images as their Fourier spectrum: each step changes all pixels, low frequencies most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import to_rgb
from guidance.generators.image.param.sizes import Size, sides
from guidance.generators.image.param.warping import warped
from guidance.types import StepContext
from guidance.views import Warp


class Fourier(ImageGenerator):
    """Images as a complex spectrum in decorrelated colors, followed by a sigmoid.

    Source: Olah et al., "Feature Visualization" (2017), and lucid's optvis/param/spatial.py. The
    decay is a power of the frequency as in lucid (1) and aphantasia (1.5).

    Args:
        seeds: one per sample, for the spectrum that it starts from.
        size: pixels per side, or height and width.
        learning_rate: of Adam (aphantasia: 0.05).
        decay: how strongly high frequencies are damped; 0 damps none.
        decorrelate: optimize along the decorrelated color axes of photographs instead of RGB.
        start_sd: standard deviation of the spectrum at the start (lucid: 0.01).
    """

    class Options(ImageOptions):
        """Options of "fourier"."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Fourier:
        return cls(canvas.seeds, canvas.size)

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        learning_rate: float = 0.05,
        decay: float = 1.5,
        decorrelate: bool = True,
        start_sd: float = 0.01,
    ) -> None:
        super().__init__()
        self.num_samples, self.size = len(seeds), size
        self.learning_rate, self.decorrelate = learning_rate, decorrelate
        height, width = sides(size)
        frequency = torch.hypot(
            torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None, :]
        ).clamp_min(1 / max(height, width))
        # The inverse transform is orthonormal here. Lucid multiplies by sqrt(w h) = size instead,
        # because its inverse divides by the number of pixels.
        self.register_buffer("scale", frequency.pow(-decay)[..., None], persistent=False)
        noise = StepContext(tuple(seeds), phase="start").normal("spectrum", 3, *frequency.shape, 2)
        self.spectrum = nn.Parameter(start_sd * noise)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        values = self._values() / 4  # lucid's constant: a natural contrast at spectrum sd 0.01
        return torch.sigmoid(to_rgb(values) if self.decorrelate else values)

    def _values(self) -> Float[Tensor, "n 3 h w"]:
        scale = self.get_buffer("scale")
        spectrum = torch.view_as_complex((self.spectrum * scale).contiguous())
        values: Tensor = torch.fft.irfft2(spectrum, s=sides(self.size), norm="ortho")
        return values

    def warp(self, warp: Warp, context: StepContext) -> None:
        moved = warped(self._values(), warp.on(*sides(self.size)))
        spectrum = torch.fft.rfft2(moved, norm="ortho")
        self.spectrum.copy_(torch.view_as_real(spectrum) / self.get_buffer("scale"))

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.spectrum], "lr": self.learning_rate}]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Fourier:
        return cls(range(num_samples), size=16)
