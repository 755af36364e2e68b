"""The sampling rates and bands of the layers of StyleGAN3, from its configuration.

Frequencies are in cycles for each side of the image.

Source: Karras et al., "Alias-Free Generative Adversarial Networks", arXiv 2106.12423, section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from guidance.stylegan.networks.configuration import StyleGAN3Config
from guidance.stylegan.networks.lowpass import kaiser_lowpass, radial_lowpass


@dataclass(frozen=True)
class Band:
    """The signal between two layers."""

    rate: int  # samples for each side of the image
    cutoff: float
    transition: float  # half the width of the transition band
    size: int  # samples of a map, with its margins
    channels: int


@dataclass(frozen=True)
class Filters:
    """How the leaky ReLU of a layer is surrounded by filters."""

    up: int
    down: int
    up_taps: Tensor  # [t]
    down_taps: Tensor  # [t], or [t, t] if it is radial
    padding: tuple[int, int]


def bands(config: StyleGAN3Config) -> tuple[Band, ...]:
    """The output of each layer: frequencies grow geometrically up to the critical layers."""
    layers = len(config.channels)
    last_cutoff = config.resolution / 2
    last_stop = last_cutoff * config.last_stopband
    found = []
    for index, channels in enumerate((*config.channels, config.image_channels)):
        progress = min(index / (layers - config.critical_layers), 1.0)
        cutoff = config.first_cutoff * (last_cutoff / config.first_cutoff) ** progress
        stop = config.first_stopband * (last_stop / config.first_stopband) ** progress
        rate = 2 ** math.ceil(math.log2(min(stop * 2, config.resolution)))
        size = config.resolution if index >= layers - 1 else rate + 2 * config.margin
        found.append(Band(rate, cutoff, max(stop, rate / 2) - cutoff, size, channels))
    return tuple(found)


def filters(config: StyleGAN3Config, index: int) -> Filters:
    """The filters of layer `index`; the last, which computes the image, has none."""
    all_bands = bands(config)
    before, after = all_bands[max(index - 1, 0)], all_bands[index]
    is_image = index == len(config.channels)
    kernel = 1 if is_image else config.kernel
    inner = max(before.rate, after.rate) * (1 if is_image else config.upsampling)
    up, down = inner // before.rate, inner // after.rate
    up_length = config.filter_size * up if up > 1 and not is_image else 1
    down_length = config.filter_size * down if down > 1 and not is_image else 1
    is_critical = index >= len(config.channels) - config.critical_layers
    radial = config.radial and not is_critical and down_length > 1
    down_taps = (radial_lowpass if radial else kaiser_lowpass)(
        down_length, after.cutoff, 2 * after.transition, float(inner)
    )
    total = (after.size - 1) * down + 1 - (before.size + kernel - 1) * up
    total += up_length + down_length - 2
    first = (total + up) // 2
    return Filters(
        up,
        down,
        kaiser_lowpass(up_length, before.cutoff, 2 * before.transition, float(inner)),
        down_taps,
        (first, total - first),
    )
