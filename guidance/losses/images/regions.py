"""Masks of regional prompts: the part of a flat image that a regional prompt applies to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.masks import words_of
from guidance.media.read_image import load_image
from guidance.outputs import Images, Rendering
from guidance.prompts import Region

#: The aspect ratios of mask and images may differ by this factor, to allow for rounding to pixels.
ASPECT_TOLERANCE = 1.02


@dataclass(frozen=True)
class MaskedSquare:
    """The smallest square around a mask that fits into the image, and the mask inside it."""

    rows: slice
    columns: slice
    mask: Float[Tensor, "1 1 1 hh ww"]  # 1 inside, 0 outside
    size: tuple[int, int]  # height and width of the whole images

    def cut(self, rendering: Images) -> Images:
        """The square, transparent outside the mask; the gradient outside is exactly 0.

        Augmentation then composites the crops over changing backgrounds, as for any image with
        alpha, so that pixels outside the mask do not influence the loss.

        Raises:
            InputError: images of another size than the mask was prepared for.
        """
        rendering = rendering.whole()
        if rendering.image.shape[-2:] != self.size:
            raise InputError(
                f"regions were prepared for images of {_by(*self.size)} pixels, got "
                f"{_by(*rendering.image.shape[-2:])}"
            )
        mask = self.mask.to(rendering.image)
        image = rendering.image[..., self.rows, self.columns] * mask
        if rendering.alpha is None:
            alpha = mask.expand(*image.shape[:2], -1, -1, -1)
        else:
            alpha = rendering.alpha[..., self.rows, self.columns] * mask
        return Rendering(image, alpha)


def load_mask(region: Region, start: Images, segmenter: str = "mini") -> MaskedSquare:
    """Reads the mask of a region for images of the size of `start`, or finds it in the first.

    Args:
        segmenter: finds the part that a region such as `words:the hair` describes.

    Raises:
        InputError: rendered views, on which a mask has no fixed place; a mask that cannot be read,
            has another aspect ratio than the images, or is entirely black.
    """
    name = f"region {region.mask}"
    if start.cameras is not None:
        raise InputError(
            f"{name}: regions apply to flat images; the views of a rendered object move, so "
            "remove the region"
        )
    height, width = start.image.shape[-2:]
    words = words_of(str(region.mask))
    if words is None:
        image = load_image(region.mask, "region", over="black")
    else:
        image = _found(words, start, segmenter)
    ratio = (image.shape[-1] / image.shape[-2]) / (width / height)
    if not 1 / ASPECT_TOLERANCE <= ratio <= ASPECT_TOLERANCE:
        raise InputError(
            f"{name}: the mask has {_by(*image.shape[-2:])} pixels, the images have "
            f"{_by(height, width)}; use a mask of the same aspect ratio"
        )
    gray = image.mean(0, keepdim=True)[None]
    mask = F.interpolate(gray, (height, width), mode="bilinear", antialias=True)[0, 0].clamp(0, 1)
    inside = mask > 0
    if not bool(inside.any()):
        raise InputError(
            f"{name}: the mask is entirely black; paint the area of the regional prompt white"
        )
    rows, columns = _square(inside.any(1), inside.any(0))
    cropped = mask[None, None, None, rows, columns].to(start.image.device)
    return MaskedSquare(rows, columns, cropped, (height, width))


def load_masks(
    regions: Sequence[Region], start: Images, segmenter: str = "mini"
) -> tuple[MaskedSquare, ...]:
    """The mask of each region; see `load_mask`."""
    return tuple(load_mask(region, start, segmenter) for region in regions)


def _found(words: str, start: Images, segmenter: str) -> Float[Tensor, "1 h w"]:
    """The part of the first image that the words describe, over grey where it is transparent."""
    from guidance.segmenters.base import find_mask
    from guidance.segmenters.files.loading import load_segmenter

    image = start.image[0, 0].detach()
    if start.alpha is not None:
        image = image + 0.5 * (1 - start.alpha[0, 0].detach())
    found = load_segmenter(segmenter, str(image.device))
    return find_mask(found, image.float().clamp(0, 1), words, "the first image of the run")[
        None
    ].float()


def _square(*inside: Tensor) -> tuple[slice, slice]:
    """The smallest square that contains the mask, shifted and cut to stay within the image."""
    spans = [(int(line.nonzero()[0]), int(line.nonzero()[-1]) + 1) for line in inside]
    side = max(stop - start for start, stop in spans)
    slices = []
    for line, (start, stop) in zip(inside, spans, strict=True):
        length = min(side, len(line))
        begin = min(max((start + stop - length) // 2, 0), len(line) - length)
        slices.append(slice(begin, begin + length))
    return slices[0], slices[1]


def _by(height: int, width: int) -> str:
    return f"{width} x {height}"
