"""Images and masks of users in the size of a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.media.read_image import load_image
from guidance.media.resize import resized
from guidance.types import Generator

#: The least number of pixels per side in a run.
LEAST = 8


class Photo(NamedTuple):
    """An image and its mask, in their own size and in the size of the run; masks are > 0 inside."""

    original: Float[Tensor, "3 h w"]
    content: Float[Tensor, "3 rows columns"]
    original_mask: Float[Tensor, "1 h w"] | None
    mask: Float[Tensor, "1 rows columns"] | None


def open_photo(image: Path | None, mask: Path | None, longer: int, task: str) -> Photo:
    """Reads an image and, if given, its mask; see `sides_of` and `masks_of`.

    Raises:
        InputError: an image is missing or cannot be read.
    """
    if image is None:
        raise InputError(f"{task}: no image; add --image photo.jpg")
    original = load_image(image, "image")
    size = (original.shape[1], original.shape[2])
    sides = sides_of(image, size, longer)
    content = eight_bits(resized(original, sides))
    return Photo(original, content, *masks_of(mask, size, sides))


def sides_of(path: Path, size: tuple[int, int], longer: int) -> tuple[int, int]:
    """Height and width in the size of the run.

    Args:
        path: of the image, for messages.
        size: its height and width.
        longer: pixels of the longer side in the run.

    Raises:
        InputError: the shorter side would be too short.
    """
    height, width = size
    scale = longer / max(size)
    sides = (max(1, round(height * scale)), max(1, round(width * scale)))
    if min(sides) < LEAST:
        raise InputError(
            f"image {path}: {width} x {height} pixels are too oblong for --size {longer}: the "
            f"shorter side would have {min(sides)} pixels, at least {LEAST} are needed"
        )
    return sides


def masks_of(
    path: Path | None, size: tuple[int, int], sides: tuple[int, int]
) -> tuple[Float[Tensor, "1 h w"], Float[Tensor, "1 rows columns"]] | tuple[None, None]:
    """A mask in the image's own size, and in that of the run; it is > 0 inside.

    Raises:
        InputError: it cannot be read, or is of another size than the image.
    """
    if path is None:
        return None, None
    mask = load_image(path, "mask").mean(0, keepdim=True)
    if tuple(mask.shape[1:]) != size:
        raise InputError(
            f"mask {path}: expected the image's {size[1]} x {size[0]} pixels, got "
            f"{mask.shape[2]} x {mask.shape[1]}"
        )
    return mask, resized(mask, sides)


def masked(generator: Generator, photo: Photo) -> Generator:
    """The generator, or one that changes only the inside of the photo's mask."""
    if photo.mask is None:
        return generator
    from guidance.generators.image.masked import Masked

    return Masked(generator, photo.content, photo.mask)


def eight_bits(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """Rounded to 8 bits, so that unchanged pixels are written as they were read."""
    return (image * 255).round() / 255
