"""A StyleGAN generator: mapping, synthesis, and the configuration that both are built from."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.stylegan.networks.configuration import Config, StyleGAN3Config
from guidance.stylegan.networks.dense import Mapping
from guidance.stylegan.networks.stylegan2 import StyleGAN2Synthesis
from guidance.stylegan.networks.stylegan3 import StyleGAN3Synthesis
from guidance.stylegan.networks.synthesis import Noise, Synthesis


class StyleGAN(nn.Module):
    """A generator: `mapping` from z to w, `synthesis` from w to raw images.

    The tensors of `state_dict` are `mapping.fc0.weight`, `mapping.w_avg`,
    `synthesis.b4.conv1.affine.weight`, ..., as in the published checkpoints.
    """

    mapping: Mapping
    synthesis: Synthesis

    def __init__(self, config: Config) -> None:
        """Random initial weights."""
        super().__init__()
        self.config = config
        self.mapping = Mapping(
            config.z_dim,
            config.w_dim,
            config.mapping_widths,
            c_dim=config.c_dim,
            embedding=config.embedding,
            learning_rate=config.mapping_learning_rate,
        )
        self.synthesis = (
            StyleGAN3Synthesis(config)
            if isinstance(config, StyleGAN3Config)
            else StyleGAN2Synthesis(
                config.w_dim,
                config.channels,
                image_channels=config.image_channels,
                skips=config.skips,
                use_noise=config.use_noise,
                clamp=config.clamp,
                taps=config.taps,
            )
        )

    def forward(
        self,
        z: Float[Tensor, "n z"],
        truncation: float = 1.0,
        labels: Float[Tensor, "n c"] | None = None,
        noise: Noise = "const",
    ) -> Float[Tensor, "n c h w"]:
        """Raw images in [-1, 1], not clamped; see `as_images`."""
        images: Tensor = self.synthesis(self.mapping(z, truncation, labels), noise)
        return images

    def frozen(self) -> StyleGAN:
        """Freezes the weights and returns the network, in evaluation mode."""
        return self.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mapping.w_avg.device
