"""Images as the latents of a diffusion model, limited to what its autoencoder can decode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.diffusion import Denoiser, load_denoiser
from guidance.diffusion.latents import LatentRendering, check_device
from guidance.diffusion.options import DISTILLATION_WEIGHT, DenoiserOptions
from guidance.generators.image.param.canvas import Canvas, ImageOptions
from guidance.generators.image.param.sizes import Size, sides
from guidance.generators.image.param.start import load_start
from guidance.generators.image.param.windows import whole_only
from guidance.media.resize import resized
from guidance.media.write_image import save_png
from guidance.schedule import Schedule
from guidance.types import Generator, StepContext
from guidance.views import View

#: Of the update under flow score distillation by SGD: all steps together are three times the way
#: to the denoiser's estimate; in 150 steps, each one goes 2%. DDIM would go 1.6% to 5% per step.
SHARE = 3.0


class Latent(Generator):
    """Images decoded from latents, which are the parameters.

    Score distillation with the same denoiser reads the latents directly, so its steps neither
    encode nor decode. Other losses read the decoded images.

    Args:
        seeds: one per sample, for the noise that it starts from.
        size: pixels per side, or height and width; by default the size that the denoiser was
            trained on.
        denoiser: the model of the latents.
        learning_rate: of Adam; latents have a standard deviation of about 1.
        start: an image to start from, which is resized.

    Raises:
        InputError: the size is not a multiple of the autoencoder's factor.
    """

    class Options(ImageOptions, DenoiserOptions):
        """Options of "latent"."""

        total_variation: Schedule = Schedule.parse(0.0)
        """Weight of total variation; the decoder already makes smooth images."""
        start: Path | None = None
        """An image to start from."""

    @classmethod
    def from_options(cls, options: Any, canvas: Canvas) -> Latent:
        denoiser = options.load(canvas.device)
        size = None if canvas.default_size else canvas.size
        rate: dict[str, float] = {}
        if canvas.follows_fsd and canvas.optimizer == "sgd":
            values = math.prod(denoiser.latent_shape(*sides(size or denoiser.image_size)))
            # Nesterov momentum of 0.9 multiplies each step by ten.
            rate["learning_rate"] = SHARE / canvas.steps * values / DISTILLATION_WEIGHT / 10
        start = load_start(options.start, size or denoiser.image_size)
        return cls(canvas.seeds, size, denoiser=denoiser, start=start, **rate)

    #: Standard deviation of the noise at the start, around the latents of a grey image.
    START_SD = 0.3

    def __init__(
        self,
        seeds: Sequence[int],
        size: Size | None = None,
        *,
        denoiser: Denoiser,
        learning_rate: float = 0.03,
        start: Float[Tensor, "3 h w"] | None = None,
    ) -> None:
        super().__init__()
        self.num_samples, self.learning_rate = len(seeds), learning_rate
        self.denoisers = (denoiser,)  # in a tuple, so that it is not a submodule
        shape = sides(size or denoiser.image_size)
        noise = StepContext(tuple(seeds), phase="start").normal(
            "latent", *denoiser.latent_shape(*shape)
        )
        grey = torch.full((3, *shape), 0.5)
        image = grey if start is None else resized(start, shape)
        device = next(denoiser.parameters()).device
        with torch.no_grad():
            encoded = denoiser.encode_image(image[None].to(device)).cpu()
        spread = self.START_SD if start is None else 0.0
        self.latents = nn.Parameter(encoded + spread * noise)

    def forward(self, view: View | None = None) -> LatentRendering:
        """One image per sample, decoded when a loss reads it."""
        whole_only(view, self)
        check_device(self.denoisers[0], self.latents)
        return LatentRendering(self.latents[:, None], self.denoisers[0])

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.latents], "lr": self.learning_rate}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        decoded = self.denoisers[0].decode_image(self.latents[sample : sample + 1])
        return [save_png(folder / "image.png", decoded[0].clamp(0, 1))]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Latent:
        return cls(range(num_samples), 16, denoiser=load_denoiser("mini-diffusion"))
