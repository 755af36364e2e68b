"""Correlation of neighboring values in the noise maps of a StyleGAN network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.outputs import Rendering
from guidance.stylegan.latents import NoiseMapsScene
from guidance.types import Loss, StepContext

#: Maps are halved until their sides are at most this.
SMALLEST = 8


class NoiseCorrelation(Loss):
    """How much neighboring values of noise maps correlate, at several resolutions.

    For a map of r x r values and each of its halvings (means of 2 x 2, times 2, which keeps unit
    variance) down to 8 x 8,

        (mean of m[y, x] m[y, x - 1])^2 + (mean of m[y, x] m[y - 1, x])^2

    where the maps repeat at their borders. Without it, noise maps that are optimized hold parts of
    the image. Differentiable in the noise maps (`scene.noise`).

    Source: the projector of StyleGAN2, Karras et al. 2020 (arXiv 1912.04958), appendix D.
    """

    chosen_by_name = False

    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: a generator without noise maps.
        """
        scene = rendering.scene
        if not isinstance(scene, NoiseMapsScene):
            raise InputError(
                "NoiseCorrelation: applies only to generators that optimize noise maps; remove "
                "the loss for other generators"
            )
        return torch.stack([_of_map(noise) for noise in scene.noise]).sum(0)


def _of_map(noise: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n"]:
    total = noise.new_zeros(len(noise))
    while True:
        for axis in (2, 3):
            products = noise * noise.roll(1, axis)
            total = total + products.mean((1, 2, 3)).square()
        if noise.shape[-1] <= SMALLEST:
            return total
        noise = nn.functional.avg_pool2d(noise, 2) * 2
