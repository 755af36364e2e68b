"""Modulated convolution."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.stylegan.networks.resampling import upfirdn

#: Added to squared norms, so that no norm is zero.
EPSILON = 1e-8


def demodulation(
    weight: Float[Tensor, "o i k k"], style: Float[Tensor, "n i"], *, is_relative: bool = False
) -> Float[Tensor, "n o"]:
    """One over the norm of each modulated kernel: the weights squared, times the styles squared.

    Args:
        weight: the kernels.
        style: the factors of their input channels.
        is_relative: takes `EPSILON` in the unit of the weights and styles, as StyleGAN3 does by
            normalizing both first.
    """
    squares, factors = weight.square(), style.square()
    epsilon: Tensor | float = EPSILON
    if is_relative:
        epsilon = EPSILON * squares.mean(dim=(1, 2, 3)) * factors.mean(dim=1, keepdim=True)
    return (factors @ squares.sum(dim=(2, 3)).T + epsilon).rsqrt()


def modulated_convolution(
    x: Float[Tensor, "n i h w"],
    weight: Float[Tensor, "o i k k"],
    style: Float[Tensor, "n i"],
    *,
    taps: Float[Tensor, "t"] | None = None,
    padding: int | None = None,
) -> Float[Tensor, "n o hh ww"]:
    """Convolves with kernels whose input channels are scaled by a style; without demodulation.

    The activations are scaled instead of the weights, which gives the same result, since a
    convolution is linear, and needs no grouped convolution. Demodulation is a factor of the output,
    see `demodulation`.

    Args:
        x: the input.
        weight: the kernels.
        style: the factors of the input channels.
        taps: a filter `[t]` with a sum of one. If it is given, the input is upsampled to twice its
            side first: zeros are inserted, the filter is applied with a gain of 4, and the kernels
            are convolved (not correlated) with the result.
        padding: zeros on each side; by default, half the kernel, so that the side stays the same.

    Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", arXiv
    1912.04958, section 2.2.
    """
    x = x * style[:, :, None, None]
    if taps is None:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2 if padding is None else padding)
    assert padding is None, "padding is chosen when the input is upsampled"
    # Both convolutions commute, and the transposed one needs no multiplications by zero.
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    spare = len(taps) - 1 - (weight.shape[-1] - 2)  # zeros so that the side is exactly twice
    return upfirdn(x, taps, padding=((spare + 1) // 2, spare // 2), gain=4.0)
