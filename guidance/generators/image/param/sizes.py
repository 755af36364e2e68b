"""Sizes of images: a number of pixels per side, or a height and a width."""

from __future__ import annotations

import math

#: Pixels per side of a square image, or height and width.
Size = int | tuple[int, int]


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def unit(size: Size) -> float:
    """The length in pixels in which shapes are measured: the side of the square of equal area."""
    height, width = sides(size)
    return math.sqrt(height * width)


def scaled(size: Size, longer: int) -> Size:
    """A size of the same aspect ratio whose longer side has that many pixels."""
    if isinstance(size, int):
        return longer
    return _rounded(size, longer / max(size))


def of_area(size: Size, side: int) -> Size:
    """A size of the same aspect ratio with the area of a square of `side` pixels."""
    return side if isinstance(size, int) else _rounded(size, side / unit(size))


def cells_of(size: Size, longer: int) -> tuple[int, int]:
    """Rows and columns of nearly square cells, `longer` of them along the longer side."""
    height, width = sides(size)
    rows, columns = (math.ceil(longer * side / max(height, width)) for side in (height, width))
    return rows, columns


def _rounded(size: tuple[int, int], scale: float) -> tuple[int, int]:
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width
