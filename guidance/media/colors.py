"""Colours as people write them."""

from __future__ import annotations

from guidance.errors import InputError


def parse_color(text: str, where: str) -> tuple[float, float, float]:
    """Red, green and blue (sRGB, in [0, 1]) of "#rrggbb" or a name of CSS.

    Args:
        where: the setting that it was given for, e.g. "Edge.color".

    Raises:
        InputError: it is neither.
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except (ValueError, AttributeError):
        raise InputError(
            f'{where}: expected a colour such as "#1a1c2c" or "white", got {text!r}'
        ) from None
    return red / 255, green / 255, blue / 255
