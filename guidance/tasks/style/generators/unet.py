"""A small network from the image to the result; it also stylizes videos and larger images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from guidance.schedule import Schedule
from guidance.tasks.style.generator import StyleGenerator

if TYPE_CHECKING:
    from guidance.tasks.shared.photo import Photo
    from guidance.types import Generator


class UNetStyle(StyleGenerator):
    """Options of "unet"."""

    # Chosen by eye: a network gives smooth images by itself.
    total_variation: Schedule = Schedule.parse(0.02)
    """Weight of total variation: higher gives smoother images."""
    full_size: bool = False
    """Also applies the network to the image in its own size, in tiles: full.png."""
    # More frames share the same crops, fewer are a random walk among them.
    frames_per_step: int = Field(default=4, ge=1, le=64)
    """Frames of a video in each step; the crops are distributed among them."""

    def generator(self, photo: Photo, seeds: tuple[int, ...]) -> Generator:
        from guidance.generators.image.unet import Original, UNet

        original = Original(photo.original, photo.original_mask) if self.full_size else None
        return UNet(seeds, photo.content, original=original)
