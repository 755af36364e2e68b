"""Norm of the initial noise of a sampler."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.sampling import NoiseScene
from guidance.errors import InputError
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext


class NoiseNorm(Loss):
    """Negative log-likelihood of the norm of the initial noise, minus its minimum.

    For the norm r of noise of d dimensions, which follows the chi distribution,

        r^2 / 2 - (d - 1) log r  -  min over r

    A sampler produces good images only from noise of the norm that it was trained with, and the
    gradient of other losses increases the norm. Differentiable in the noise of generators that
    optimize it (`scene.noise`); 0 at r = sqrt(d - 1).

    Source: ReNO, Eyring et al. 2024 (arXiv 2406.04312), section 3, after Samuel et al. 2023 (arXiv
    2306.08687). Deviation: the minimum is subtracted.
    """

    chosen_by_name = False

    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: a generator that does not optimize noise.
        """
        scene = rendering.scene
        if not isinstance(scene, NoiseScene):
            raise InputError(
                "NoiseNorm: applies only to the generator Noise; remove the loss for other "
                "generators"
            )
        flat = scene.noise.flatten(1)
        half = (flat.shape[1] - 1) / 2
        squared = flat.square().sum(1)
        found: Tensor = squared / 2 - half * squared.log() - half * (1 - math.log(2 * half))
        return found
