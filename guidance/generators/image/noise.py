"""Images that a diffusion model samples in one or a few steps, as the initial noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from guidance.diffusion import Denoiser, load_denoiser
from guidance.diffusion.latents import check_device, in_parts
from guidance.diffusion.options import DenoiserOptions
from guidance.diffusion.sampling import NoiseScene, draw
from guidance.errors import InputError
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.sizes import Size, sides
from guidance.generators.image.param.windows import whole_only
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.prompts import Prompt
from guidance.schedule import Schedule
from guidance.types import Generator, StepContext
from guidance.views import View

#: Words in the names of denoisers that are distilled to few steps; they need no guidance.
FEW_STEPS = ("turbo", "schnell", "lightning", "lcm", "hyper")
#: Steps and guidance scale of the sampler. With six steps, other denoisers give a draft.
DISTILLED, OTHERS = (1, 1.0), (6, 4.0)
#: Learning rates by optimizer: that of ReNO, and one chosen by eye.
RATES = {"sgd": 5.0, "adam": 0.05}


class Noise(Generator):
    """Images sampled from a denoiser for a prompt; the parameters are the initial noise.

    Losses select among the images that the model can sample. Gradients are computed through every
    step of the sampler, so use few steps: one for models that are distilled to one step.

    Source: Eyring et al., "ReNO" (arXiv 2406.04312): rate 5 by SGD with Nesterov momentum,
    gradients clipped to a norm of 0.1, and `guidance.losses.noise_norm.NoiseNorm`. Deviation: the
    gradient of each sample is clipped separately.

    Args:
        seeds: one per sample.
        prompts: of the sampler, one per sample.
        size: pixels per side, or height and width; by default the size that the denoiser was
            trained on.
        denoiser: the diffusion model.
        sampler_steps: steps of the sampler.
        guidance_scale: of the sampler; 1 disables classifier-free guidance, as distilled models
            require.
        learning_rate: of SGD with Nesterov momentum.

    Raises:
        InputError: the number of prompts is not that of seeds; the size is not a multiple of the
            autoencoder's factor.
    """

    class Options(ImageOptions, DenoiserOptions):
        """Options of "noise"."""

        usual_optimizer = "sgd"

        total_variation: Schedule = Schedule.parse(0.0)
        """Weight of total variation; the decoder already makes smooth images."""
        sampler_steps: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = "auto"
        """Steps of the sampler. "auto" is 6, or 1 for distilled denoisers (names with turbo,
        schnell, lightning, lcm or hyper)."""
        sampler_scale: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
        """Guidance scale of the sampler. "auto" is 4, or 1 for distilled denoisers."""
        noise_norm: Schedule = Schedule.parse(0.01)
        """Weight that keeps the norm of the noise typical of Gaussian noise."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Noise:
        few = any(word in options.denoiser.lower() for word in FEW_STEPS)
        steps, scale = DISTILLED if few else OTHERS
        return cls(
            canvas.seeds,
            [_text(prompt) for prompt in canvas.prompts],
            None if canvas.default_size else canvas.size,
            denoiser=options.load(canvas.device),
            sampler_steps=steps if options.sampler_steps == "auto" else options.sampler_steps,
            guidance_scale=scale if options.sampler_scale == "auto" else options.sampler_scale,
            learning_rate=RATES[canvas.optimizer],
        )

    LARGEST_GRADIENT = 0.1

    def __init__(
        self,
        seeds: Sequence[int],
        prompts: Sequence[str],
        size: Size | None = None,
        *,
        denoiser: Denoiser,
        sampler_steps: int = 1,
        guidance_scale: float = 1.0,
        learning_rate: float = 5.0,
    ) -> None:
        super().__init__()
        if len(prompts) != len(seeds):
            raise InputError(
                f"Noise: expected {len(seeds)} prompts, one per sample, got {len(prompts)}"
            )
        self.num_samples, self.learning_rate = len(seeds), learning_rate
        self.sampler_steps, self.guidance_scale = sampler_steps, guidance_scale
        self.denoisers = (denoiser,)  # in a tuple, so that it is not a submodule
        self.condition = denoiser.encode_text(list(prompts))
        self.empty = None
        if guidance_scale != 1:
            self.empty = denoiser.encode_text([""] * len(prompts))
        denoiser.free_text_towers()
        shape = sides(size or denoiser.image_size)
        noise = StepContext(tuple(seeds), phase="start").normal(
            "sample", *denoiser.latent_shape(*shape)
        )
        self.noise = nn.Parameter(noise)
        self.noise.register_hook(self._clipped)  # type: ignore[no-untyped-call]

    def forward(self, view: View | None = None) -> Rendering:
        """One image per sample; `scene` holds the noise."""
        whole_only(view, self)
        check_device(self.denoisers[0], self.noise)
        samples = torch.arange(self.num_samples, device=self.noise.device)
        images = in_parts(self._images, samples)
        return Rendering(images[:, None], scene=NoiseScene(self.noise))

    def _images(self, samples: Int[Tensor, "b"]) -> Float[Tensor, "b 3 h w"]:
        latents = draw(
            self.denoisers[0],
            self.noise[samples],
            self.condition.rows(samples),
            None if self.empty is None else self.empty.rows(samples),
            steps=self.sampler_steps,
            guidance_scale=self.guidance_scale,
        )
        return self.denoisers[0].decode_image(latents).clamp(0, 1)

    def _clipped(self, gradient: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        norms = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
        factors: Tensor = (self.LARGEST_GRADIENT / norms).clamp_max(1).view(-1, 1, 1, 1)
        return gradient * factors

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.noise], "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        only = torch.tensor([sample], device=self.noise.device)
        return [save_png(folder / "image.png", self._images(only)[0])]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Noise:
        prompts = ["a red heart"] * num_samples
        return cls(range(num_samples), prompts, 16, denoiser=load_denoiser("mini-diffusion"))


def _text(prompt: Prompt) -> str:
    """The text for the sampler: all wanted phrases, whatever their weights."""
    phrases = [p for p in prompt.phrases if p.image is None and p.weight(0.0) > 0]
    if not phrases:
        raise InputError(f"{prompt.text!r}: --generator noise samples from text; add a phrase")
    return ", ".join(phrase.text for phrase in phrases)
