"""What the generators of StyleGAN images share: latents to start from, and what an edit keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.stylegan import StyleGAN, StyleGAN2Config
from guidance.types import StepContext

Space = Literal["w", "w+", "s"]


@dataclass(frozen=True)
class Kept:
    """What an edit must keep.

    Args:
        floor: the least share that must be kept.
        share: from edited images `[n, 3, h, w]` of all samples to the share that is kept of each,
            1 for the images before the edit.
    """

    floor: float
    share: Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, "n"]]


@dataclass(frozen=True)
class Given:
    """Images that stay outside a mask.

    Args:
        images: of all samples, in [0, 1], in the size of the network's images.
        mask: 1 where the network's image is used, 0 where the given image is kept; one for all
            samples, or one for each.
    """

    images: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "*m 1 rows columns"]


def draw_latents(
    network: StyleGAN, seeds: tuple[int, ...], truncation: float = 0.7
) -> Float[Tensor, "n l d"]:
    """Latents W+ of samples of a network.

    Args:
        seeds: one for each sample.
        truncation: factor on the distance from the mean w; 0 is the mean.

    Raises:
        InputError: the network is conditional.
    """
    if network.config.c_dim:
        raise InputError(
            f"the network is conditional: it needs labels of {network.config.c_dim} numbers, which "
            "are not supported; use a network without labels"
        )
    z = StepContext(seeds, phase="start").normal("z", network.config.z_dim)
    with torch.no_grad():
        w = network.mapping(z.to(network.device), truncation)
    return network.synthesis.broadcast(w) if w.ndim == 2 else w


def tiny_network() -> StyleGAN:
    """A random network of 16 pixels, for the contract tests."""
    config = StyleGAN2Config(channels=(12, 8, 6), z_dim=8, w_dim=8, mapping_widths=(8,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return StyleGAN(config).frozen()
