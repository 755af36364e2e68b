"""The input of an update direction: latents with their random draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Level
from guidance.losses.sds.predictions import NoisePredictions


@dataclass(frozen=True)
class LatentBatch:
    """`b` clean latents, their random draws, and the noise predictions for their prompts.

    Everything that an update direction may depend on, without gradient.
    """

    predictions: NoisePredictions
    clean: Float[Tensor, "b c h w"]
    noise: Float[Tensor, "b c h w"]  # standard normal
    time: Float[Tensor, "b"]  # in (0, 1), from clean to noise; this and `draw` are on the CPU
    draw: Float[Tensor, "b"]  # a second uniform draw in [0, 1)
    min_time: float  # the lower end of the range of times at this step
    guidance_scale: float
    progress: float
    source: Float[Tensor, "b c h w"] | None = None  # latents of the images to edit

    @cached_property
    def level(self) -> Level:
        """The noise level at `time`."""
        return self.level_at(self.time)

    def level_at(self, time: Float[Tensor, "b"]) -> Level:
        """The noise level at another time."""
        return self.predictions.denoiser.level(time, self.clean)

    @cached_property
    def noisy(self) -> Float[Tensor, "b c h w"]:
        """The latents with noise, `alpha z + sigma e`, at `level`."""
        return self.level.mix(self.clean, self.noise)

    def guided(
        self, noisy: Float[Tensor, "b c h w"], level: Level, group: str = "prompt"
    ) -> Float[Tensor, "b c h w"]:
        """Classifier-free guidance with `guidance_scale`: towards a group, away from negatives.

        Negatives apply to the group "prompt" only.
        """
        negative = {"negative": -self.guidance_scale} if group == "prompt" else {}
        factors = {group: self.guidance_scale, **negative}
        return self.predictions.combine(noisy, level, 1.0, **factors)

    def inverted(
        self, stop: Float[Tensor, "b"], steps: int, guidance_scale: float
    ) -> Float[Tensor, "b c h w"]:
        """The latents at a time, by DDIM inversion in even steps; scale 0 is unconditional."""
        noisy = self.clean
        times = [stop * (i / steps) for i in range(steps + 1)]
        scales = {"prompt": guidance_scale, "negative": -guidance_scale} if guidance_scale else {}
        for start, end in pairwise(times):
            level = self.level_at(start)
            noise = self.predictions.combine(noisy, level, 1.0, **scales)
            noisy = self.level_at(end).mix(level.clean(noisy, noise), noise)
        return noisy
