"""Distance of the latents of a StyleGAN network from their start."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Rendering
from guidance.stylegan.latents import LatentScene
from guidance.types import Loss, StepContext


class LatentDistance(Loss):
    """Sum of squared differences of the latents from their start.

    In W+ and W it is the sum over all latents of W+; in S, over the channels of all styles.
    Differentiable in the latents (`scene.latent_change`).

    Source: StyleCLIP, Patashnik et al. 2021 (arXiv 2103.17249), equation 1, with a weight of 0.008.
    """

    chosen_by_name = False

    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: a generator without latents of a StyleGAN network.
        """
        change = getattr(rendering.scene, "latent_change", None)
        if not isinstance(rendering.scene, LatentScene) or change is None:
            raise InputError(
                "LatentDistance: applies only to the generator StyleGANImages; remove the loss for "
                "other generators"
            )
        found: Tensor = rendering.scene.latent_change.square().sum(1)
        return found
