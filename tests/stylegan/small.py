"""Small random networks."""

from __future__ import annotations

import torch

from guidance.stylegan import StyleGAN, StyleGAN2Config


def small_stylegan2(seed: int = 0, **options: object) -> StyleGAN:
    """A network of 32 pixels whose noise, biases and mean of w are not zero."""
    settings = {"channels": (12, 10, 8, 6), "z_dim": 9, "w_dim": 7, "mapping_widths": (11,)}
    torch.manual_seed(seed)
    return filled(StyleGAN(StyleGAN2Config(**settings | options)))


def filled(network: StyleGAN) -> StyleGAN:
    """A network whose parameters and buffers that are zero at first are random."""
    with torch.no_grad():
        for name, x in network.state_dict().items():
            if name.endswith((".bias", "noise_strength", "w_avg")):
                x.add_(0.3 * torch.randn_like(x))
    return network
