"""Image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.media.pixels import Frame, to_uint8


def save_png(path: Path, image: Float[Tensor, "c h w"]) -> Path:
    """Writes an image in [0, 1] with 3 channels (sRGB) or 4 (straight alpha), 8 bits each."""
    return save_levels(path, to_uint8(image))


def save_levels(path: Path, levels: UInt8[np.ndarray, "h w c"]) -> Path:
    """Writes an image in 8 bits with 3 channels (sRGB) or 4 (straight alpha)."""
    path.write_bytes(encode_png(levels))
    return path


def encode_png(levels: UInt8[np.ndarray, "h w c"], compress_level: int = 6) -> bytes:
    """Encodes an image in 8 bits with 1 (grey), 3 or 4 channels.

    Args:
        compress_level: 1 (fastest) to 9 (smallest); pixels are the same.
    """
    import imageio.v3 as iio

    content: bytes = iio.imwrite(
        "<bytes>",
        np.ascontiguousarray(levels[..., 0] if levels.shape[-1] == 1 else levels),
        plugin="pillow",
        extension=".png",
        is_batch=False,
        compress_level=compress_level,
    )
    return content


def encode_jpeg(levels: Frame, quality: int) -> bytes:
    """Encodes an image in 8 bits.

    Args:
        quality: 1 to 95.
    """
    import imageio.v3 as iio

    content: bytes = iio.imwrite(
        "<bytes>", levels, plugin="pillow", extension=".jpg", is_batch=False, quality=quality
    )
    return content
