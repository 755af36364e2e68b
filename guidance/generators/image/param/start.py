"""Images to start from, in the aspect ratio of the run."""

from __future__ import annotations

import warnings
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputWarning
from guidance.generators.image.param.sizes import Size, sides
from guidance.media.read_image import load_image


def load_start(path: Path | None, size: Size) -> Float[Tensor, "3 h w"] | None:
    """Reads a start image, and crops it to the aspect ratio of a size; None if there is none.

    Raises:
        InputError: it cannot be read.
    """
    if path is None:
        return None
    image = load_image(path, "start")
    height, width = sides(size)
    rows, columns = image.shape[1:]
    kept = (
        min(rows, max(1, round(columns * height / width))),
        min(columns, max(1, round(rows * width / height))),
    )
    if max(rows - kept[0], columns - kept[1]) <= 1:  # but for rounding
        return image
    warnings.warn(
        f"start {path}: the middle {kept[1]} x {kept[0]} of {columns} x {rows} pixels are used, in "
        f"the aspect ratio of the image; --size sets another one",
        InputWarning,
        stacklevel=2,
    )
    top, left = (rows - kept[0]) // 2, (columns - kept[1]) // 2
    return image[:, top : top + kept[0], left : left + kept[1]]
