"""Pictures as PNG files: what the generators of flat pictures export."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor


def save_png(path: Path, pixels: Float[Tensor, "c h w"]) -> Path:
    """Writes a picture in [0, 1] with 3 channels (sRGB) or 4 (straight alpha), 8 bits each."""
    from PIL import Image

    array = (pixels.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    Image.fromarray(array.permute(1, 2, 0).contiguous().numpy()).save(path)
    return path
