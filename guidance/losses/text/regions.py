"""Parts of flat images that have words of their own: what lies in a mask is cut out for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.media.load import load_image
from guidance.prompts import Region
from guidance.types import Rendering

#: Mask and images may differ this much in width / height, which rounding to pixels can explain.
PROPORTION = 1.02


@dataclass(frozen=True)
class Window:
    """The square around a mask, as far as the image allows, and the mask in it."""

    rows: slice
    columns: slice
    inside: Float[Tensor, "1 1 1 hh ww"]  # 1 inside, 0 outside
    size: tuple[int, int]  # height and width of the whole images

    def cut(self, rendering: Rendering) -> Rendering:
        """What lies inside, with all else transparent: its gradient outside is exactly 0.

        Augmentation then puts backgrounds behind it, which change from crop to crop, as it does
        for things that are cut out to begin with; what lies outside has no say at all.
        """
        rendering = rendering.whole()
        if rendering.image.shape[-2:] != self.size:
            raise InputError(
                f"regions were prepared for images of {_by(*self.size)} pixels, got "
                f"{_by(*rendering.image.shape[-2:])}"
            )
        inside = self.inside.to(rendering.image)
        image = rendering.image[..., self.rows, self.columns] * inside
        if rendering.alpha is None:
            alpha = inside.expand(*image.shape[:2], -1, -1, -1)
        else:
            alpha = rendering.alpha[..., self.rows, self.columns] * inside
        return Rendering(image, alpha)


def window(region: Region, start: Rendering) -> Window:
    """Reads a region's mask for images of the size of `start`.

    Raises:
        InputError: rendered views, where a mask has no place of its own; a mask that cannot be
            read, has other proportions than the images, or is black all over.
    """
    name = f"region {region.mask}"
    if start.cameras is not None:
        raise InputError(
            f"{name}: regions are of flat images; rendered views move, so leave it out"
        )
    picture = load_image(region.mask, "region", over="black")
    height, width = start.image.shape[-2:]
    ratio = (picture.shape[-1] / picture.shape[-2]) / (width / height)
    if not 1 / PROPORTION <= ratio <= PROPORTION:
        raise InputError(
            f"{name}: the mask has {_by(*picture.shape[-2:])} pixels, the images "
            f"{_by(height, width)}; give it their proportions"
        )
    grey = picture.mean(0, keepdim=True)[None]
    mask = F.interpolate(grey, (height, width), mode="bilinear", antialias=True)[0, 0].clamp(0, 1)
    there = mask > 0
    if not bool(there.any()):
        raise InputError(f"{name}: is black all over; paint white where the words apply")
    rows, columns = _square(there.any(1), there.any(0))
    inside = mask[None, None, None, rows, columns].to(start.image.device)
    return Window(rows, columns, inside, (height, width))


def windows(regions: Sequence[Region], start: Rendering) -> tuple[Window, ...]:
    """The window of each region."""
    return tuple(window(region, start) for region in regions)


def _square(*there: Tensor) -> tuple[slice, slice]:
    """The least square that holds all, shifted and cut where it would leave the image."""
    spans = [(int(line.nonzero()[0]), int(line.nonzero()[-1]) + 1) for line in there]
    side = max(stop - start for start, stop in spans)
    slices = []
    for line, (start, stop) in zip(there, spans, strict=True):
        length = min(side, len(line))
        begin = min(max((start + stop - length) // 2, 0), len(line) - length)
        slices.append(slice(begin, begin + length))
    return slices[0], slices[1]


def _by(height: int, width: int) -> str:
    return f"{width} x {height}"
