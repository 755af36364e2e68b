"""Motions that a small diffusion model samples, as the initial noise."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from guidance.body.skeleton import canonical
from guidance.generators.motion.param.base import MotionGenerator, MotionStage
from guidance.generators.motion.param.decoding import NoiseDecoder
from guidance.motion.networks.denoiser import MotionDenoiser, load_motion_denoiser
from guidance.motion.output import MotionOutput
from guidance.options import Options as ComponentOptions
from guidance.types import StepContext

#: Spread of the noise beside that of the start motion, so that seeds differ.
SPREAD = 0.02


class Noise(MotionGenerator):
    """Motions sampled from a diffusion model; the parameters are the initial noise.

    Losses select among the motions that the model can sample, so poses stay natural where a
    constraint says nothing. The model is unconditional: what the motion shows comes from the start
    motion, whose noise is the start, and from losses. What the small model cannot sample of the
    start motion is kept as a fixed difference. A motion that is longer than two seconds is sampled
    as overlapping windows.

    Source: Karunratanakul et al., "Optimizing Diffusion Noise Can Serve As Universal Motion Priors"
    (arXiv 2312.11994). Deviations: the norm of the noise is kept between that of the start and that
    of Gaussian noise, instead of a decorrelation loss; the sampler has fewer steps; the fixed
    difference.
    """

    class Options(ComponentOptions):
        """Where the noise starts, and the sampler."""

        begin: Literal["clip", "random"] = "clip"
        """Where the noise starts: at that of the retrieved motion, or at Gaussian noise, which is a
        random motion."""
        sampler_steps: int = Field(default=8, ge=1, le=100)
        """Steps of the sampler; time and precision grow with them."""
        rate: float = Field(default=0.05, gt=0, le=1)
        """Learning rate of the noise."""

    def __init__(
        self,
        stage: MotionStage,
        options: Noise.Options | None = None,
        network: MotionDenoiser | None = None,
    ) -> None:
        super().__init__(stage)
        self.options = options or self.Options()
        network = network or load_motion_denoiser()
        height = float(self.skeleton.rest[0, 1] / canonical().rest[0, 1])
        self.decoder = NoiseDecoder(network, stage.start, height, self.options.sampler_steps)
        draws = StepContext(stage.seeds, phase="start").normal("noise", *self.decoder.shape())
        self.register_buffer("turns", torch.eye(3), persistent=False)
        self.register_buffer("shifts", torch.zeros(3), persistent=False)
        if self.options.begin == "clip":
            fitted = self.decoder.noise_of_starts()
            self._keep_difference(fitted)
            draws = fitted + SPREAD * draws
        self.noise = nn.Parameter(draws)
        typical = torch.full((len(draws),), draws[0].numel() ** 0.5)
        norms = torch.stack([draws.flatten(1).norm(dim=1), typical])
        self.register_buffer("norms", norms.sort(0).values, persistent=False)

    @torch.no_grad()
    def _keep_difference(self, noise: Float[Tensor, "n t c"]) -> None:
        """Sets what has to be added to the motion of a noise to get the start motion."""
        rotations, root = self.decoder(noise)
        start = MotionOutput.of_motions(self.stage.start, self.skeleton)
        self.turns = rotations.mT @ start.rotations
        self.shifts = start.root - root

    def poses(self) -> tuple[Float[Tensor, "n t 22 3 3"], Float[Tensor, "n t 3"]]:
        rotations, root = self.decoder(self.noise)
        return rotations @ self.get_buffer("turns"), root + self.get_buffer("shifts")

    def project(self) -> None:
        """Keeps the norm of the noise between that of the start and that of Gaussian noise."""
        low, high = self.get_buffer("norms").to(self.noise)
        norm = self.noise.flatten(1).norm(dim=1).clamp_min(1e-6)
        self.noise.mul_((torch.minimum(torch.maximum(norm, low), high) / norm)[:, None, None])

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.noise], "lr": self.options.rate}]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Noise:
        return cls(cls.tiny_stage(num_samples), cls.Options(begin="random", sampler_steps=2))
