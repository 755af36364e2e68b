"""The regularizer of noise that a sampler starts from."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.sampling import NoiseScene
from guidance.errors import InputError
from guidance.types import Loss, Rendering, StepContext


class NoiseNorm(Loss):
    """How unlikely the length of the noise is, for standard normal noise; 0 at the likeliest.

    A sampler draws well only from noise as long as it was trained on, and a gradient makes it
    longer. In d dimensions the length r has the density of the chi distribution, whose negative
    logarithm is `r^2 / 2 - (d - 1) log r`, up to a constant.

    Source: ReNO (Eyring et al., arXiv 2406.04312, section 3), after Samuel et al. (arXiv
    2306.08687). Here the least value is subtracted.
    """

    name = "noise-norm"
    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        scene = rendering.scene
        if not isinstance(scene, NoiseScene):
            raise InputError("NoiseNorm: is of the generator Noise; leave it out of others")
        flat = scene.noise.flatten(1)
        half = (flat.shape[1] - 1) / 2
        squared = flat.square().sum(1)
        found: Tensor = squared / 2 - half * squared.log() - half * (1 - math.log(2 * half))
        return found
