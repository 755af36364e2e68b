"""Conversion of images with an embedded ICC profile to sRGB, by LittleCMS."""

from __future__ import annotations

import warnings
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from guidance.errors import InputWarning

if TYPE_CHECKING:
    from PIL.Image import Image

#: The most bytes of a profile; those of printers have up to 3 MB.
MAX_PROFILE = 2**24
#: The image modes whose values a profile of each color space describes. Grey images often carry the
#: RGB profile of their program.
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
#: Mean difference in levels below which a profile is that of sRGB.
SAME = 0.5


def to_srgb(image: Image, profile: bytes | None, name: str) -> Image:
    """An image in mode RGB or RGBA; profiles that do not fit the image are ignored with a warning.

    Args:
        image: in 8 bits, in mode L, LA, RGB, RGBA, CMYK or LAB.
        profile: the embedded profile, if any.
        name: names the image in warnings.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    converted = None
    if profile:
        plain = image.convert(image.mode.rstrip("A")) if alpha is not None else image
        converted = _converted(plain, profile, name)
    if converted is None:
        return image.convert("RGB" if alpha is None else "RGBA")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _converted(image: Image, profile: bytes, name: str) -> Image | None:
    """The image in mode RGB, or None if the profile cannot be used or is that of sRGB."""
    from PIL import ImageCms

    try:
        if len(profile) > MAX_PROFILE:
            raise ValueError(f"it has {len(profile) >> 20} MiB")
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        mode = MODES.get(space)
        if image.mode == "L" and mode == "RGB":
            image = image.convert("RGB")
        if image.mode != mode:
            raise ValueError(f"it describes {space} values, the image has {image.mode}")
        transform = _transform(profile, mode)
        if mode == "RGB" and _keeps_colors(transform):
            return None
        return ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()) or "it is damaged"
        warnings.warn(
            f"{name}: its color profile is ignored ({reason}); the colors are read as sRGB",
            InputWarning,
            stacklevel=2,
        )
        return None


@lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> Any:
    """The conversion from a profile to sRGB; perceptual, with the profile's own tables."""
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _keeps_colors(transform: Any) -> bool:
    """Whether a conversion is that from sRGB to sRGB, but for rounding."""
    from PIL import Image, ImageCms

    line = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(line, line, line), -1).reshape(9, 81, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    difference = np.abs(converted.astype(int) - cube)
    return bool(difference.mean() < SAME and difference.max() <= 3)
