"""Colors by name or hexadecimal code."""

from __future__ import annotations

from guidance.errors import InputError


def parse_color(text: str, where: str) -> tuple[float, float, float]:
    """Parses "#rrggbb" or the name of a CSS color into red, green and blue (sRGB, in [0, 1]).

    Args:
        where: the option that it was given for, e.g. "Border.color"; used in messages.

    Raises:
        InputError: neither of the two.
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except (ValueError, AttributeError):
        raise InputError(
            f'{where}: expected a color such as "#1a1c2c" or "white", got {text!r}'
        ) from None
    return red / 255, green / 255, blue / 255
