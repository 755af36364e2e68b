"""Image files of users, read as tensors."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError

#: What a user's image may have, asked of its header before anything is decoded: 64 megapixels.
MAX_PIXELS = 2**26


#: Formats that are read. Pillow knows more, some of which start other programs (EPS).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


def load_image(
    path: Path, what: str = "image prompt", over: str = "white"
) -> Float[Tensor, "3 h w"]:
    """An image file as sRGB in [0, 1], upright, over a plain colour where it is transparent.

    Args:
        what: names the file in messages.

    Raises:
        InputError: no such file; no image in one of `FORMATS` (told by its content, not by its
            name), damaged, or larger than `MAX_PIXELS`, which is asked of the header.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our cap is lower
            with Image.open(path, formats=FORMATS) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise InputError(
                        f"{what} {path}: {file.width} x {file.height} pixels are more than the "
                        f"{MAX_PIXELS // 10**6} million that are read; shrink it first"
                    )
                rgba = ImageOps.exif_transpose(_eight_bits(file)).convert("RGBA")
    except FileNotFoundError:
        raise InputError(f"{what} {path}: no such file") from None
    except Image.DecompressionBombError:
        raise InputError(f"{what} {path}: claims far too many pixels; shrink it first") from None
    except InputError:
        raise
    # What Pillow's decoders raise on damaged files, beside OSError.
    except (OSError, SyntaxError, ValueError, TypeError, struct.error, EOFError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{what} {path}: not a readable image ({reason})") from None
    ground = Image.new("RGBA", rgba.size, over)
    flat = Image.alpha_composite(ground, rgba).convert("RGB")
    pixels = torch.frombuffer(bytearray(flat.tobytes()), dtype=torch.uint8)
    return pixels.view(flat.height, flat.width, 3).permute(2, 0, 1).float() / 255


def _eight_bits(picture: PillowImage) -> PillowImage:
    """Grey images of 16 bits are scaled to 8; Pillow itself would cut them off at 255."""
    if not picture.mode.startswith("I"):
        return picture
    return picture.convert("I").point(lambda level: level * (1 / 257)).convert("L")
