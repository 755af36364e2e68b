"""Contact sheets of the mini StyleGAN2, to look at while it trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import as_images
from recipes.data import portrait_factors as factors
from recipes.data.portraits import Portraits

COLUMNS, ENLARGED = 10, 2


@torch.no_grad()
def compare(model: nn.Module, portraits: Portraits, path: Path) -> None:
    """Rows of portraits and, below each, what the model makes of their attributes."""
    drawn = factors.sample(4 * COLUMNS, np.random.default_rng(7))
    wanted = portraits.images(drawn)
    shown = model(torch.from_numpy(factors.vectors(drawn)))
    rows = [half for pair in zip(wanted.split(COLUMNS), shown.split(COLUMNS), strict=True)
            for half in pair]  # fmt: skip
    save(torch.cat(rows), path)


@torch.no_grad()
def samples(network: StyleGAN, path: Path, truncation: float = 1.0) -> None:
    """Random images of the network."""
    draw = torch.Generator().manual_seed(3)
    z = torch.randn(6 * COLUMNS, network.mapping.z_dim, generator=draw)
    save(as_images(network(z, truncation)), path)


def save(images: Tensor, path: Path) -> None:
    """Images `[n, 3, h, w]` in [0, 1] in rows of ten, each pixel enlarged."""
    side = images.shape[-1] * ENLARGED
    pixels = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    gap = side + 4
    sheet = Image.new("RGB", (COLUMNS * gap, -(-len(images) // COLUMNS) * gap), "white")
    for index, picture in enumerate(pixels):
        enlarged = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (index % COLUMNS * gap, index // COLUMNS * gap))
    sheet.save(path)
