"""Photos and masks of users in the size of a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.media.load import load_image
from guidance.media.resize import resized

#: Pixels that a side of the run must have.
LEAST = 8


class Photo(NamedTuple):
    """What the user gave, in its own size and in that of the run; masks are 0 or more inside."""

    original: Float[Tensor, "3 h w"]
    content: Float[Tensor, "3 rows columns"]
    original_mask: Float[Tensor, "1 h w"] | None
    mask: Float[Tensor, "1 rows columns"] | None


def open_photo(picture: Path | None, mask: Path | None, longer: int, task: str) -> Photo:
    """Reads an image, and its mask if there is one; see `sides_of` and `masks_of`.

    Raises:
        InputError: there is no image, or one of them cannot be read.
    """
    if picture is None:
        raise InputError(f"{task}: no image; give one: --image photo.jpg")
    original = load_image(picture, "image")
    size = (original.shape[1], original.shape[2])
    sides = sides_of(picture, size, longer)
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
            f"image {path}: {width} x {height} pixels are too oblong for --size {longer}, which "
            f"leaves {min(sides)} of the shorter side; {LEAST} are needed"
        )
    return sides


def masks_of(
    path: Path | None, size: tuple[int, int], sides: tuple[int, int]
) -> tuple[Float[Tensor, "1 h w"], Float[Tensor, "1 rows columns"]] | tuple[None, None]:
    """A mask in the image's own size, and in that of the run; it is 0 or more inside.

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


def eight_bits(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """Rounded to what a PNG can hold, so that what is left alone is written as it is read."""
    return (picture * 255).round() / 255
