"""Named colors: painting with them, recognizing them, shifting an image to one of them."""

from __future__ import annotations

import numpy as np

# A typical color of each name in sRGB, chosen by eye.
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (250, 215, 50),
    "green": (60, 170, 70),
    "blue": (45, 100, 220),
    "purple": (135, 70, 190),
    "pink": (245, 130, 180),
    "brown": (125, 78, 45),
    "black": (30, 30, 32),
    "white": (245, 245, 245),
    "gray": (135, 138, 142),
}
NAMES = tuple(PALETTE)
_CENTERS = np.array(list(PALETTE.values()), np.float32)

# Hue in degrees of a recolored image, for the names that hue alone determines.
HUES = {"red": 2, "orange": 30, "yellow": 50, "green": 125, "blue": 218, "purple": 275, "pink": 328}


def paint(name: str, random: np.random.Generator, spread: float = 14.0) -> np.ndarray:
    """A random color of that name, `float [3]` in [0, 255]."""
    return np.clip(np.array(PALETTE[name]) + random.normal(0, spread, 3), 0, 255)


def dominant(picture: np.ndarray, least: float = 0.55) -> str | None:
    """The one color name that covers at least this share of an image's opaque pixels.

    `picture` is `uint8 [h, w, 4]`; every seventh pixel is counted. None if no name covers so much.
    """
    opaque = picture[picture[..., 3] > 128][::7, :3].astype(np.float32)
    if len(opaque) < 10:
        return None
    nearest = ((opaque[:, None] - _CENTERS) ** 2).sum(-1).argmin(1)
    counts = np.bincount(nearest, minlength=len(NAMES))
    best = int(counts.argmax())
    return NAMES[best] if counts[best] >= least * len(opaque) else None


def shift(picture: np.ndarray, name: str, random: np.random.Generator) -> np.ndarray:
    """The image `uint8 [h, w, 4]` with every saturated pixel shifted to the hue of that name.

    Shading and details of light and dark stay; grays stay gray.
    """
    rgb = picture[..., :3].astype(np.float32) / 255
    high, low = rgb.max(-1), rgb.min(-1)
    saturation = (high - low) / np.maximum(high, 1e-6)
    hue = (HUES[name] + random.normal(0, 4)) % 360 / 60
    if name == "pink":
        high, saturation = 0.5 + 0.5 * high, 0.75 * saturation
    sector = np.abs((np.array([0.0, 4.0, 2.0]) + hue) % 6 - 3) - 1
    pure = np.clip(sector, 0, 1)
    turned = high[..., None] * (1 - saturation[..., None] * (1 - pure))
    return np.concatenate([(turned * 255).astype(np.uint8), picture[..., 3:]], -1)
