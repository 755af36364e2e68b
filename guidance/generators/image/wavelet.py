"""Images as wavelet coefficients: each affects one position at one scale, coarse ones most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.color import squashed
from guidance.generators.image.param.sizes import Size, sides
from guidance.generators.image.param.warping import warped
from guidance.types import StepContext
from guidance.views import Warp

#: Lifting steps of the forward transform, and the gain of its low band that makes it (nearly)
#: orthonormal. The steps alternately add a multiple of both neighbors to odd and even positions.
#: Source: Daubechies and Sweldens, "Factoring Wavelet Transforms into Lifting Steps" (1998), 7.7.
CDF97 = ((-1.586134342, -0.05298011854, 0.8829110762, 0.4435068522), 1.149604398)
#: The smallest side of a level; it is not split further.
COARSEST = 4


class Wavelet(ImageGenerator):
    """Images from coefficients of the CDF 9/7 or the Haar wavelet, squashed: `(1 + tanh) / 2`.

    A coefficient belongs to a position and an octave of frequency. So a gradient with the same sign
    over many pixels is concentrated in few coarse coefficients, as in a pyramid, but without
    redundancy: there are as many coefficients as pixels.

    Source: aphantasia's dwt_image (eps696). Deviations: lifting instead of filter banks, which
    supports any size and mirrors images at the border; `decay` is per octave (1.4 by default
    there); the contrast is not normalized.

    Args:
        seeds: one per sample, for the coefficients that it starts from.
        size: pixels per side, or height and width, each at least 4.
        learning_rate: of Adam; in units of the squashed value for the coarsest level.
        decay: coefficients of a level are multiplied by `2^decay` relative to the next finer
            level. Photographs have 1 (Field 1987); higher values suppress the fine levels. Measured
            on 4 prompts, 60 steps, mini encoder: the judge's mean similarity is 0.589 at 2, 0.567
            at 1.5.
        skip_levels: how many of the finest levels stay 0. One level halves the resolution, which
            excludes the adversarial texture of single pixels.
        wavelet: "cdf97" is smooth; "haar" is blocky.
        decorrelate: optimize along the decorrelated color axes of photographs instead of RGB (in
            the same measurement: 0.617 without, 0.589 with it).
        start_sd: standard deviation of the coefficients at the start.

    Raises:
        InputError: a size below 4, more levels skipped than there are, an unknown wavelet.
    """

    class Options(ImageOptions):
        """Options of "wavelet"."""

        wavelet: Literal["cdf97", "haar"] = "cdf97"
        """Basis: "cdf97" is smooth, "haar" gives squares."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Wavelet:
        return cls(canvas.seeds, canvas.size, wavelet=options.wavelet)

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size = 128,
        *,
        learning_rate: float = 0.1,
        decay: float = 2.0,
        skip_levels: int = 1,
        wavelet: str = "cdf97",
        decorrelate: bool = False,
        start_sd: float = 0.05,
    ) -> None:
        super().__init__()
        if min(sides(size)) < COARSEST:
            raise InputError(f"Wavelet.size: expected at least {COARSEST} pixels, got {size}")
        if wavelet not in ("cdf97", "haar"):
            raise InputError(f'Wavelet.wavelet: expected "cdf97" or "haar", got {wavelet!r}')
        self.num_samples, self.size, self.wavelet = len(seeds), size, wavelet
        self.learning_rate, self.decay, self.decorrelate = learning_rate, decay, decorrelate
        start = StepContext(tuple(seeds), phase="start")
        shapes = [sides(size)]
        while min(shapes[-1]) >= 2 * COARSEST:
            shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
        if not 0 <= skip_levels < len(shapes):
            raise InputError(
                f"Wavelet.skip_levels: expected 0 to {len(shapes) - 1} at {size} pixels, got "
                f"{skip_levels}"
            )
        self.skipped = shapes[:skip_levels]
        shapes = shapes[skip_levels:]
        self.coarse = nn.Parameter(start_sd * start.normal("coarse", 3, *shapes[-1]))
        #: From coarse to fine: the high bands of each level in x, in y, and in both.
        self.across, self.down, self.both = (nn.ParameterList() for _ in range(3))
        for height, width in reversed(shapes[:-1]):
            for name, rows, columns in (
                ("across", (height + 1) // 2, width // 2),
                ("down", height // 2, (width + 1) // 2),
                ("both", height // 2, width // 2),
            ):
                noise = start.normal(f"{name}/{max(height, width)}", 3, rows, columns)
                getattr(self, name).append(nn.Parameter(start_sd * noise))

    def images(self) -> Float[Tensor, "n 3 h w"]:
        return squashed(self._values(), decorrelate=self.decorrelate)

    def _values(self) -> Float[Tensor, "n 3 h w"]:
        # The transform is orthonormal, so a constant value of 1 is a coefficient of 2^levels.
        strength = 2.0 ** (len(self.both) + len(self.skipped))
        values = strength * self.coarse
        for across, down, both in zip(self.across, self.down, self.both, strict=True):
            values = _merge(
                _merge(values, strength * across, self.wavelet).mT,
                _merge(strength * down, strength * both, self.wavelet).mT,
                self.wavelet,
            ).mT
            strength /= 2**self.decay
        for height, width in reversed(self.skipped):
            for fine in (width, height):
                zeros = values.new_zeros(*values.shape[:-1], fine // 2)
                values = _merge(values, zeros, self.wavelet).mT
        return values

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Detail of the skipped levels is lost."""
        values = self._values()
        values = warped(values, warp.on(*values.shape[-2:]))
        for _ in self.skipped:
            for _ in ("down", "across"):
                values, _ = _split(values.mT, self.wavelet)
        levels = len(self.both)
        for level in reversed(range(levels)):
            strength = 2.0 ** (levels + len(self.skipped) - self.decay * level)
            low, high = (half.mT for half in _split(values.mT, self.wavelet))
            values, across = _split(low, self.wavelet)
            down, both = _split(high, self.wavelet)
            self.across[level].copy_(across / strength)
            self.down[level].copy_(down / strength)
            self.both[level].copy_(both / strength)
        self.coarse.copy_(values / 2.0 ** (levels + len(self.skipped)))

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Wavelet:
        return cls(range(num_samples), size=18)  # 18 -> 9 -> 5: odd sides as well


def _merge(
    low: Float[Tensor, "n c h even"], high: Float[Tensor, "n c h odd"], wavelet: str
) -> Float[Tensor, "n c h w"]:
    """One level of the inverse transform along the last axis; w = even + odd."""
    if wavelet == "haar":
        # With an odd width, the last low value has no high value, as if that were 0.
        low, high = low / math.sqrt(2), high / math.sqrt(2)
        paired, rest = low[..., : high.shape[-1]], low[..., high.shape[-1] :]
        return _interleave(torch.cat([paired + high, rest], -1), paired - high)
    steps, gain = CDF97
    even, odd = low / gain, high * gain
    for index, step in reversed(list(enumerate(steps))):
        if index % 2:
            even = even - step * _around_even(odd, even.shape[-1])
        else:
            odd = odd - step * _around_odd(even, odd.shape[-1])
    return _interleave(even, odd)


def _split(
    values: Float[Tensor, "n c h w"], wavelet: str
) -> tuple[Float[Tensor, "n c h even"], Float[Tensor, "n c h odd"]]:
    """The inverse of `_merge`: the low and the high band."""
    even, odd = values[..., ::2], values[..., 1::2]
    if wavelet == "haar":
        paired, rest = even[..., : odd.shape[-1]], even[..., odd.shape[-1] :]
        root = math.sqrt(2)
        return torch.cat([(paired + odd) / root, root * rest], -1), (paired - odd) / root
    steps, gain = CDF97
    for index, step in enumerate(steps):
        if index % 2:
            even = even + step * _around_even(odd, even.shape[-1])
        else:
            odd = odd + step * _around_odd(even, odd.shape[-1])
    return even * gain, odd / gain


def _around_even(odd: Float[Tensor, "n c h odd"], count: int) -> Float[Tensor, "n c h even"]:
    """The sum of both odd neighbors of each even position, mirrored at the border."""
    inner = odd[..., :-1] + odd[..., 1:]
    end = [2 * odd[..., -1:]] if count > odd.shape[-1] else []
    return torch.cat([2 * odd[..., :1], inner, *end], -1)


def _around_odd(even: Float[Tensor, "n c h even"], count: int) -> Float[Tensor, "n c h odd"]:
    """The sum of both even neighbors of each odd position, mirrored at the border."""
    inner = even[..., :-1] + even[..., 1:]
    end = [2 * even[..., -1:]] if count == even.shape[-1] else []
    return torch.cat([inner, *end], -1)


def _interleave(
    even: Float[Tensor, "n c h even"], odd: Float[Tensor, "n c h odd"]
) -> Float[Tensor, "n c h w"]:
    width = odd.shape[-1]
    pairs = torch.stack([even[..., :width], odd], -1).flatten(-2)
    return torch.cat([pairs, even[..., width:]], -1)
