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
    plain = levels[..., 0] if levels.shape[-1] == 1 else levels
    return _encoded(plain, ".png", compress_level=compress_level)


def encode_jpeg(levels: Frame, quality: int) -> bytes:
    """Encodes an image in 8 bits.

    Args:
        quality: 1 to 95.
    """
    return _encoded(levels, ".jpg", quality=quality)


def _encoded(levels: UInt8[np.ndarray, "..."], extension: str, **options: int) -> bytes:
    import imageio.v3 as iio

    content: bytes = iio.imwrite(  # type: ignore[call-overload]  # its options are untyped
        "<bytes>", np.ascontiguousarray(levels), extension=extension, plugin="pillow", **options
    )
    return content
