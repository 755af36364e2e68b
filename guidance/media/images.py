"""Images and videos of a run: previews, contact sheets with their words, MP4."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

#: More pixels than any image of ours has; asked of the header, before decoding.
MAX_PIXELS = 2**26
#: Tiles of contact sheets and frames of videos, in pixels a side.
TILE, FRAME = 256, 320
CAPTION_LINES, LINE_HEIGHT = 3, 18
GAP = 8
#: Nearly without visible loss; in half the time of libx264's default preset. Its macroblock tree is
#: off: with it, the bytes depend on what memory held before, in 150 tries on 64 pixels six ways.
H264 = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}
Frame = UInt8[np.ndarray, "_ _ 3"]


def to_bytes(picture: Float[Tensor, "3 h w"]) -> Frame:
    """An image in [0, 1] as 8-bit numbers, rounded."""
    levels = (picture.detach().float().cpu().clamp(0, 1) * 255).round()
    return levels.permute(1, 2, 0).contiguous().numpy().astype(np.uint8)


def encode_png(picture: Frame) -> bytes:
    """A PNG, quickly rather than small."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=4)
    return file.getvalue()


def read_png(path: Path) -> Frame:
    """A PNG of ours.

    Raises:
        InputError: it is none, is damaged, or claims more than `MAX_PIXELS`.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{path}: {image.width} x {image.height} pixels are too many")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: is no readable PNG ({error})") from None


def tiled(pictures: Float[Tensor, "n 3 h w"]) -> Frame:
    """All samples in one image, in rows, as square as may be; see `untiled`."""
    n, _, h, w = pictures.shape
    columns = math.ceil(math.sqrt(n))
    sheet = np.zeros((math.ceil(n / columns) * h, columns * w, 3), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * h, index % columns * w
        sheet[top : top + h, left : left + w] = to_bytes(picture)
    return sheet


def untiled(sheet: Frame, sample: int, num_samples: int) -> Frame:
    """One sample out of `tiled`."""
    columns = math.ceil(math.sqrt(num_samples))
    h, w = sheet.shape[0] // math.ceil(num_samples / columns), sheet.shape[1] // columns
    top, left = sample // columns * h, sample % columns * w
    return sheet[top : top + h, left : left + w]


def contact_sheet(pictures: Sequence[Frame], captions: Sequence[str], columns: int = 4) -> bytes:
    """A PNG of tiles, each with its words below."""
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    font = ImageFont.load_default(size=14)
    caption = CAPTION_LINES * LINE_HEIGHT if any(captions) else 0
    width, height = TILE + GAP, TILE + GAP + caption
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (picture, words) in enumerate(zip(pictures, captions, strict=True)):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        tile = _fitted(Image.fromarray(picture), TILE)
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        lines = textwrap.wrap(words, 34, max_lines=CAPTION_LINES, placeholder=" ...")
        for number, line in enumerate(lines):
            draw.text((left, top + TILE + 2 + number * LINE_HEIGHT), line, fill="black", font=font)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def encode_mp4(
    frames: Iterable[Frame],
    fps: int | Fraction,
    comment: str | None = None,
    *,
    least_side: int = FRAME,
) -> bytes:
    """An H.264 video that any browser plays, with a text in its metadata.

    Frames whose longer side is below `least_side` are enlarged to it; sides are made even, as the
    format demands.
    """
    import av
    from PIL import Image

    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        if comment is not None:
            container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=fps, options=H264)
        stream.pix_fmt = "yuv420p"
        # One thread each: the same frames then give the same bytes on any machine.
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / Fraction(fps)
        for frame in frames:
            image = Image.fromarray(frame)
            if max(image.size) < least_side:
                image = _fitted(image, least_side)
            image = image.resize((image.width // 2 * 2, image.height // 2 * 2))
            if not stream.codec_context.is_open:
                stream.width, stream.height = image.size
            pixels = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            container.mux(stream.encode(pixels))
        container.mux(stream.encode())
    return file.getvalue()


def _fitted(image: Image, side: int) -> Image:
    """Resized so that the longer side has that length."""
    from PIL import Image as Pillow

    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Pillow.Resampling.BICUBIC)
