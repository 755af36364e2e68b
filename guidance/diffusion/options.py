"""Options that components with a diffusion model share."""

from __future__ import annotations

from typing import Literal

from guidance.diffusion import Denoiser, load_denoiser
from guidance.options import Options

#: Weight of a score distillation beside regularizers, for an update of rms 1 that is a mean. Chosen
#: by eye with cutouts and the embedded denoiser: at a third, outlines stay small squares.
DISTILLATION_WEIGHT = 6.0


class DenoiserOptions(Options):
    """The diffusion model of a score distillation or of a generator."""

    denoiser: str = "mini-diffusion"
    """Diffusion model, e.g. "mini-diffusion", "sdxl" or the name of a repository."""
    vae: Literal["full", "tiny"] = "full"
    """Autoencoder between images and latents; "tiny" is several times cheaper."""
    compiled: bool = False
    """Compiles the denoiser, which takes minutes and helps in long runs on a GPU."""

    def models(self) -> tuple[str, ...]:
        return (self.denoiser,)

    def load(self, device: str) -> Denoiser:
        """The denoiser on a device; equal options share one instance.

        Raises:
            InputError, MissingWeights: see `guidance.diffusion.load_denoiser`.
        """
        return load_denoiser(self.denoiser, device, vae=self.vae, compiled=self.compiled)
