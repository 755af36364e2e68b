"""The pixels of the image themselves, as a sum of coarse and fine levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guidance.schedule import Schedule
from guidance.tasks.style.generator import StyleGenerator

if TYPE_CHECKING:
    from guidance.tasks.shared.photo import Photo
    from guidance.types import Generator

#: The largest finest level, and the learning rate of Adam: half of that without a given image.
FINEST, RATE = 2048, 0.01


class PyramidStyle(StyleGenerator):
    """Options of "pyramid"."""

    total_variation: Schedule = Schedule.parse(0.5)  # chosen by eye
    """Weight of total variation: higher gives smoother images."""

    def generator(self, photo: Photo, seeds: tuple[int, ...]) -> Generator:
        from guidance.generators.image.pyramid import Pyramid

        height, width = photo.content.shape[1:]
        finest = min(FINEST, 1 << (max(height, width) - 1).bit_length())
        return Pyramid(
            seeds, (height, width), finest=finest, learning_rate=RATE, start=photo.content
        )
