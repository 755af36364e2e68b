"""Image files, of users and of our own, decoded within limits."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError, InputWarning
from guidance.media.color_profile import to_srgb
from guidance.media.formats import (
    FORMATS,
    OTHERS,
    SOUNDS,
    Readable,
    first_bytes,
    image_format,
    opened,
    video_format,
)
from guidance.media.image_bounds import TooLarge, check_parts, check_pixels, check_png_chunks
from guidance.media.pixels import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

#: The most bytes of an image file.
MAX_BYTES = 2**29
#: What Pillow raises on damaged files.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,  # of the decoder of AVIF
    struct.error,
)
ORIENTATION = 0x0112
#: How EXIF orientations 2 to 8 are undone: whether to transpose, then the axes to flip.
ORIENTATIONS = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}
#: Rows of an image that are converted at once, to bound memory.
ROWS = 256


def load_image(
    path: Path, what: str = "image prompt", over: str = "white"
) -> Float[Tensor, "3 h w"]:
    """Reads an image file as sRGB in [0, 1], upright, over a plain color where transparent.

    Args:
        what: names the file in messages.

    Raises:
        InputError: not a file, an unknown format, damaged, or more than `MAX_PIXELS`.
    """
    from PIL import ImageColor

    rgba = read_image(path, f"{what} {path}")
    ground = np.array(ImageColor.getrgb(over)[:3], np.uint16)
    image = torch.empty((3, *rgba.shape[:2]))
    for top in range(0, len(rgba), ROWS):
        part = rgba[top : top + ROWS]
        image[:, top : top + ROWS] = torch.from_numpy(_over(part, ground)).permute(2, 0, 1)
    return image.div_(255)


def _over(rgba: UInt8[np.ndarray, "h w 4"], ground: np.ndarray) -> Frame:
    """Composites straight alpha over a plain color, rounding to 8 bits."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    over: Frame = ((rgba[..., :3] * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)
    return over


def read_png(path: Path) -> Frame:
    """Reads a PNG that this package has written.

    Raises:
        InputError: not a PNG, changed since it was written, or more than `MAX_PIXELS`.
    """
    with opened(path, str(path), MAX_BYTES) as file:
        content = file.read()
    levels = read_image(content, str(path), ("PNG",))[..., :3]
    try:
        check_png_chunks(content)
    except ValueError as error:
        raise InputError(f"{path}: is damaged: {error}") from None
    return levels


def read_image(
    source: Path | bytes, name: str, formats: tuple[str, ...] = FORMATS
) -> UInt8[np.ndarray, "h w 4"]:
    """Decodes an image file to RGBA in 8 bits: sRGB, with straight alpha, upright.

    Colors are converted from an embedded ICC profile. Of an animation, the first frame is read.

    Args:
        source: a file, or its content.
        name: names the image in messages.
        formats: those that are accepted, detected from the content.

    Raises:
        InputError: not a file, another format, damaged, or more than `MAX_PIXELS`.
    """
    kind = "image" if len(formats) > 1 else formats[0]
    with opened(source, name, MAX_BYTES) as file:
        form = image_format(first_bytes(file))
        if form is None or form not in formats:
            raise InputError(f"{name}: not a readable {kind} {_advice(file, form, formats)}")
        try:
            # Pillow warns of damage that it can repair, and of sizes above our own limit.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_parts(file, form)
                image = _opened(file, form)
                check_pixels(*image.size)
                animated = bool(getattr(image, "is_animated", False)) and form != "JPEG"
                levels = _levels(image, name)
                orientation = image.getexif().get(ORIENTATION, 1)
        except InputError:
            raise
        except TooLarge as error:
            raise InputError(f"{name}: {error}") from None
        except DAMAGED as error:
            reason = " ".join(str(error).split()) or "it is damaged"
            raise InputError(f"{name}: not a readable {kind} ({reason})") from None
    profile = image.info.get("icc_profile")
    if animated:
        _warn(f"{name}: is animated; only its first frame is read")
    transposed, flipped = ORIENTATIONS.get(orientation, (False, ()))
    found = np.asarray(to_srgb(levels, profile, name).convert("RGBA"))
    found = np.swapaxes(found, 0, 1) if transposed else found
    return np.ascontiguousarray(np.flip(found, flipped))


def is_animated(file: Readable, form: str) -> bool:
    """Whether an image file has several frames; nothing is decoded.

    Raises:
        InputError: too large to be opened.
        OSError and others of `DAMAGED`: it is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_parts(file, form)
        with _opened(file, form) as image:
            return bool(getattr(image, "is_animated", False))


def _opened(file: Readable, form: str) -> Image:
    """Opens an image with Pillow's reader of one format."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=[form])
    except Image.DecompressionBombError:
        raise TooLarge("claims far too many pixels; shrink it first") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"a {form} that is damaged or of an unknown kind; save it again as PNG"
        ) from None


def _advice(file: Readable, form: str | None, formats: tuple[str, ...]) -> str:
    """What a file is instead of an image, for messages."""
    known = ", ".join(formats)
    video = video_format(first_bytes(file))
    if form in OTHERS and form not in SOUNDS:
        return f"({form}; convert it to PNG or JPEG)"
    if form in SOUNDS:
        return f"({form}; formats of images: {known})"
    if video is not None and video.name != "GIF":
        return f"({video.name} is a video; formats of images: {known})"
    return f"(formats: {known})"


def _levels(image: Image, name: str) -> Image:
    """The first frame in 8 bits, in mode L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and any(
        "16" in str(tile[3]) for tile in getattr(image, "tile", ())
    ):
        # Pillow keeps the high bytes of 16 bits, but not those of the color that is transparent.
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    image.load()
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB") and "transparency" not in image.info:
        return image
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return image.convert("L")
    return image.convert("RGBA")


def _from_deep(image: Image) -> Image:
    """Grey values of more than 8 bits; Pillow itself would clip them at 255.

    Raises:
        ValueError: 32-bit integers, or numbers outside [0, 1], whose white is not known.
    """
    from PIL import Image

    values = np.asarray(image)
    clear = image.info.get("transparency")
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"has values from {low:g} to {high:g}, 0 to 1 are expected; scale it, or save it "
                "in 8 bits"
            )
        grey = (values * 255).round().astype(np.uint8)
    elif image.mode == "I" and image.format == "TIFF":
        raise ValueError("has signed or 32-bit integers; save it in 8 or 16 bits")
    else:
        grey = np.clip(values.astype(np.int64) // 257, 0, 255).astype(np.uint8)
    if not isinstance(clear, int):
        return Image.fromarray(grey)
    alpha = np.where(values == clear, 0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([grey, alpha], -1), "LA")


def _warn(message: str) -> None:
    warnings.warn(message, InputWarning, stacklevel=3)
