"""Images as PNG files: what the generators of flat images export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def save_png(path: Path, pixels: Float[Tensor, "c h w"]) -> Path:
    """Writes an image in [0, 1] with 3 channels (sRGB) or 4 (straight alpha), 8 bits each."""
    array = (pixels.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    return save_levels(path, array.permute(1, 2, 0).contiguous().numpy())


def save_levels(path: Path, levels: UInt8[np.ndarray, "h w c"]) -> Path:
    """Writes an image of 8 bits with 3 channels (sRGB) or 4 (straight alpha)."""
    from PIL import Image

    Image.fromarray(levels).save(path)
    return path
