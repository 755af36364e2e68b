"""Image files, of users and of our own, decoded within limits."""

from __future__ import annotations

import struct
import warnings
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.media.pixels import Frame, from_uint8

if TYPE_CHECKING:
    from imageio.plugins.pillow import PillowPlugin

#: The most pixels of an image, read from the header before anything is decoded: 64 megapixels.
MAX_PIXELS = 2**26
#: First bytes of the formats that are read. Pillow reads more, some by starting other programs
#: (EPS), and imageio has no argument to exclude them.
SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),  # and "WEBP" after the size
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PPM": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
}
FORMATS = tuple(SIGNATURES)
#: What Pillow raises on damaged files.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    AttributeError,
    struct.error,
)
#: How EXIF orientations 2 to 8 are undone: whether to transpose, then the axes to flip.
ORIENTATIONS = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}


def load_image(
    path: Path, what: str = "image prompt", over: str = "white"
) -> Float[Tensor, "3 h w"]:
    """Reads an image file as sRGB in [0, 1], upright, over a plain colour where transparent.

    Args:
        what: names the file in messages.

    Raises:
        InputError: no such file, an unknown format, damaged, or more than `MAX_PIXELS`.
    """
    from PIL import Image

    rgba = Image.fromarray(read_image(path, f"{what} {path}"))
    background = Image.new("RGBA", rgba.size, over)
    return from_uint8(np.asarray(Image.alpha_composite(background, rgba))[..., :3])


def read_png(path: Path) -> Frame:
    """Reads a PNG that this package has written.

    Raises:
        InputError: not a PNG, damaged, or more than `MAX_PIXELS`.
    """
    return read_image(path, str(path), ("PNG",))[..., :3]


def read_image(
    source: Path | bytes, name: str, formats: tuple[str, ...] = FORMATS
) -> UInt8[np.ndarray, "h w 4"]:
    """Decodes an image file to RGBA in 8 bits, with straight alpha, upright.

    Args:
        source: a file, or its content.
        name: names the image in messages.
        formats: those that are accepted, detected from the content.

    Raises:
        InputError: no such file, another format, damaged, or more than `MAX_PIXELS`.
    """
    import imageio.v3 as iio
    from PIL import Image

    kind = "image" if len(formats) > 1 else formats[0]
    if isinstance(source, Path):
        refuse_special_file(source, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
                if detect_format(file) not in formats:
                    known = ", ".join(formats)
                    raise InputError(f"{name}: not a readable {kind} (formats: {known})")
                image = iio.imopen(file, "r", plugin="pillow")
                with image:
                    _check_size(image, name)
                    return _decode(image)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except (*DAMAGED, Image.DecompressionBombError) as error:
        cause = error.__cause__ or error  # imageio wraps errors of Pillow
        if isinstance(cause, Image.DecompressionBombError):
            raise InputError(f"{name}: claims far too many pixels; shrink it first") from None
        reason = " ".join(str(cause).split())
        raise InputError(f"{name}: not a readable {kind} ({reason})") from None


def detect_format(file: BufferedReader | BytesIO) -> str | None:
    """The format of an image file by its first bytes, if it is one of `FORMATS`."""
    start = file.read(12)
    file.seek(0)
    for form, signatures in SIGNATURES.items():
        if start.startswith(signatures) and (form != "WEBP" or start[8:] == b"WEBP"):
            return form
    return None


def _check_size(image: PillowPlugin, name: str) -> None:
    height, width = image.properties(index=0).shape[:2]
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: {width} x {height} pixels are more than the {MAX_PIXELS // 10**6} million "
            "that are read; shrink it first"
        )


def _decode(image: PillowPlugin) -> UInt8[np.ndarray, "h w 4"]:
    levels: np.ndarray[Any, Any]
    dtype = image.properties(index=0).dtype
    if dtype.kind in "iu" and dtype.itemsize > 1:
        # Pillow itself would clip grey images of 16 bits at 255.
        grey = np.clip(image.read(index=0).astype(np.int64) // 257, 0, 255).astype(np.uint8)
        levels = np.stack([grey, grey, grey, np.full_like(grey, 255)], -1)
    else:
        levels = image.read(index=0, mode="RGBA")
    # imageio's own `rotate` flips channels instead of columns in grey and palette images.
    orientation = image.metadata(index=0, exclude_applied=False).get("Orientation", 1)
    transposed, flipped = ORIENTATIONS.get(orientation, (False, ()))
    levels = np.swapaxes(levels, 0, 1) if transposed else levels
    return np.ascontiguousarray(np.flip(levels, flipped))
