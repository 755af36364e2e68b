"""Images and masks of users in the size of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.masks import Mask
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


@dataclass(frozen=True)
class GivenMask:
    """The mask that a user gave, and what finds the part that its words describe.

    Args:
        mask: None is the whole image.
        segmenter: a name that `load_segmenter` takes.
        device: where it runs.
    """

    mask: Mask | None
    segmenter: str = "mini"
    device: str = "cpu"

    def read(
        self, image: Float[Tensor, "3 h w"] | None, where: str, size: tuple[int, int]
    ) -> Float[Tensor, "1 h w"] | None:
        """The mask in [0, 1] for an image, or None for the whole image.

        Args:
            image: in which words are found; None if only files are possible.
            where: its name, for messages.
            size: its height and width.

        Raises:
            InputError: the file cannot be read, or is of another size than the image; the words
                describe nothing in the image.
        """
        if self.mask is None:
            return None
        if self.mask.words is None:
            mask = load_image(self.mask.path, "mask").mean(0, keepdim=True)
            if tuple(mask.shape[1:]) != size:
                raise InputError(
                    f"mask {self.mask.path}: expected the image's {size[1]} x {size[0]} pixels, "
                    f"got {mask.shape[2]} x {mask.shape[1]}"
                )
            return mask
        if image is None:
            raise InputError(
                f"mask {self.mask.text}: the words are found in one image, not in a video; give "
                "the file of a mask"
            )
        from guidance.segmenters.base import find_mask
        from guidance.segmenters.files.loading import load_segmenter

        segmenter = load_segmenter(self.segmenter, self.device)
        return find_mask(segmenter, image, self.mask.words, where)[None].float()


def open_photo(image: Path | None, mask: GivenMask, longer: int, task: str) -> Photo:
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
    own = mask.read(original, str(image), size)
    return Photo(original, content, *masks_of(own, sides))


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
    mask: Float[Tensor, "1 h w"] | None, sides: tuple[int, int]
) -> tuple[Float[Tensor, "1 h w"], Float[Tensor, "1 rows columns"]] | tuple[None, None]:
    """A mask in the image's own size, and in that of the run; it is > 0 inside."""
    return (None, None) if mask is None else (mask, resized(mask, sides))


def found_files(
    mask: GivenMask, photo: Photo
) -> tuple[tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    """A mask that was found by words, as a file of the run, and a note about it."""
    if mask.mask is None or mask.mask.words is None or photo.original_mask is None:
        return (), ()
    return found_mask(mask, photo.original_mask)


def found_mask(
    mask: GivenMask, found: Float[Tensor, "1 h w"]
) -> tuple[tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    """`mask.png` for the folder of the run, and a note about the share of the image."""
    from guidance.geometry.io.maps import png_of

    assert mask.mask is not None
    note = (
        f"mask {mask.mask.text}: {float((found > 0).float().mean()):.1%} of the image, found by "
        f"{mask.segmenter}; see mask.png"
    )
    return (("mask.png", png_of(found)),), (note,)


def masked(generator: Generator, photo: Photo) -> Generator:
    """The generator, or one that changes only the inside of the photo's mask."""
    if photo.mask is None:
        return generator
    from guidance.generators.image.masked import Masked

    return Masked(generator, photo.content, photo.mask)


def eight_bits(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """Rounded to 8 bits, so that unchanged pixels are written as they were read."""
    return (image * 255).round() / 255
