"""Small random networks."""

from __future__ import annotations

import torch

from guidance.stylegan import StyleGAN, StyleGAN2Config, StyleGAN3Config


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


def small_stylegan3(seed: int = 0, **options: object) -> StyleGAN:
    """A network of 32 pixels with five layers; configuration R with kernel=1 and radial=True."""
    settings = {
        "channels": (8, 8, 7, 6, 5), "resolution": 32, "margin": 4, "z_dim": 9, "w_dim": 7,
        "mapping_widths": (11,),
    }  # fmt: skip
    torch.manual_seed(seed)
    network = filled(StyleGAN(StyleGAN3Config(**settings | options)))
    with torch.no_grad():
        for name, x in network.state_dict().items():
            if name.endswith("magnitude_ema"):
                x.fill_(0.5 + float(torch.rand(())))
            if name.endswith("input.affine.weight"):
                x.add_(0.5 * torch.randn_like(x))
            if name.endswith("input.transform"):
                angle = torch.tensor(0.3)
                x[:2, :2] = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(
                    2, 2
                )
                x[:2, 2] = torch.tensor([0.1, -0.05])
    return network
