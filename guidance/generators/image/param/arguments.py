"""Arguments of generators that several of them derive from their options in the same way."""

from __future__ import annotations

from typing import Any

from guidance.generators.image.param.canvas import Canvas
from guidance.generators.image.param.sizes import scaled

#: Cells on the longer side of the finest level, chosen by eye; and of the color of large images in
#: the second half of a run. Their outlines need none: they are where smooth values cross 0, and are
#: crisp at any size when the slope there is steep.
FINEST, DETAILED = 32, 64


def level_arguments(finest: int | str, canvas: Canvas) -> dict[str, Any]:
    """`finest`, and `coarse` for large images."""
    if isinstance(finest, int):
        return {"finest": finest}
    return {"finest": DETAILED, "coarse": FINEST} if canvas.is_large else {"finest": FINEST}


def export_arguments(export_size: int | str, canvas: Canvas) -> dict[str, Any]:
    """`export_size` in the aspect ratio of the run, where it differs from the size of the run."""
    if not isinstance(export_size, int):
        return {}
    return {"export_size": scaled(canvas.size, export_size)}
