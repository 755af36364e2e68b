"""Contact sheets: small images in rows, each with a caption."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from guidance.media.captions import LINE_HEIGHT, draw_caption
from guidance.media.pixels import Frame, fitted
from guidance.media.write_image import encode_png

#: Longer side of a tile, lines of a caption, margin, and distance of a caption, in pixels.
TILE, CAPTION_LINES, GAP, BELOW = 256, 3, 8, 2


def contact_sheet(images: Sequence[Frame], captions: Sequence[str], columns: int = 4) -> bytes:
    """A PNG of tiles with captions below; empty captions take no place."""
    from PIL import Image

    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    caption_height = CAPTION_LINES * LINE_HEIGHT if any(captions) else 0
    width, height = TILE + GAP, TILE + GAP + caption_height
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        tile = Image.fromarray(fitted(image, TILE))
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        if caption:
            text = draw_caption(caption, TILE, CAPTION_LINES)
            sheet.paste(text, (left, top + TILE + BELOW))
    return encode_png(np.asarray(sheet))
