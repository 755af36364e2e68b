"""The interface of the generators of `stylize`, which start from a given image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guidance.options import Options
from guidance.schedule import Schedule

if TYPE_CHECKING:
    from guidance.tasks.shared.photo import Photo
    from guidance.types import Generator


class StyleGenerator(Options):
    """Options that create their generator."""

    total_variation: Schedule

    def generator(self, photo: Photo, seeds: tuple[int, ...]) -> Generator:
        """A generator that starts from an image, one sample for each seed."""
        raise NotImplementedError
