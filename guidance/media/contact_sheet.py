"""Contact sheets: small images in rows, each with a caption."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from guidance.media.pixels import Frame, fitted
from guidance.media.write_image import encode_png

#: Longer side of a tile, lines of a caption and their height, and margin, in pixels.
TILE, CAPTION_LINES, LINE_HEIGHT, GAP = 256, 3, 18, 8


def contact_sheet(images: Sequence[Frame], captions: Sequence[str], columns: int = 4) -> bytes:
    """A PNG of tiles with captions below; empty captions take no place."""
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    font = ImageFont.load_default(size=14)
    caption_height = CAPTION_LINES * LINE_HEIGHT if any(captions) else 0
    width, height = TILE + GAP, TILE + GAP + caption_height
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        tile = Image.fromarray(fitted(image, TILE))
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        lines = textwrap.wrap(caption, 34, max_lines=CAPTION_LINES, placeholder=" ...")
        for number, line in enumerate(lines):
            draw.text((left, top + TILE + 2 + number * LINE_HEIGHT), line, fill="black", font=font)
    return encode_png(np.asarray(sheet))
