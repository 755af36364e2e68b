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
COLUMNS = 4
#: A quarter of the time of Pillow's default level, for files that are a quarter larger.
COMPRESSION = 2


def contact_sheet(
    images: Sequence[Frame], captions: Sequence[str], columns: int = COLUMNS
) -> bytes:
    """A PNG of tiles with captions below; a row without captions has no place for them."""
    from PIL import Image

    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    tops = [GAP]  # of the rows, and the end of the last one
    for row in range(rows):
        has_captions = any(captions[row * columns : (row + 1) * columns])
        tops.append(tops[-1] + TILE + GAP + (CAPTION_LINES * LINE_HEIGHT if has_captions else 0))
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, tops[-1]), "white")
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = GAP + index % columns * (TILE + GAP), tops[index // columns]
        tile = Image.fromarray(fitted(image, TILE))
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        if caption:
            text = draw_caption(caption, TILE, CAPTION_LINES)
            sheet.paste(text, (left, top + TILE + BELOW))
    return encode_png(np.asarray(sheet), compress_level=COMPRESSION)


def caption_below(caption: str, count: int) -> list[str]:
    """The captions of views of one object: a single one, below the last row."""
    before = (count - 1) // COLUMNS * COLUMNS
    return [""] * before + [caption] + [""] * (count - before - 1)
