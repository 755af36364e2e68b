"""The base of generators of flat images: views as windows, and export as PNG."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.sizes import Size
from guidance.generators.image.param.windows import as_windows, no_windows, save_blocks
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.types import Generator
from guidance.views import View, Windows


class ImageGenerator(Generator):
    """One flat image per sample, shown as a whole or, where implemented, through windows.

    A subclass implements `images`, `param_groups` and `tiny`; and `through`, if it can evaluate a
    part of an image without the rest.
    """

    def forward(self, view: View | None = None) -> Rendering:
        """One image per sample, or the part of it in each window.

        Args:
            view: None for the whole image; or `Windows`, if `through` is implemented.

        Raises:
            InputError: another kind of view.
        """
        windows = as_windows(view, self)
        if windows is None:
            return Rendering(self.images()[:, None])
        return Rendering(self.through(windows), windows=windows)

    def images(self) -> Float[Tensor, "n 3 h w"]:
        """The whole images in [0, 1], at the size of the run."""
        raise NotImplementedError

    def through(self, windows: Windows, samples: slice = slice(None)) -> Float[Tensor, "n v 3 h w"]:
        """The images of some samples through their windows.

        Raises:
            InputError: this generator computes images only as a whole.
        """
        raise no_windows(self)

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png."""
        return [save_png(folder / "image.png", self.images()[sample])]

    def export_blocks(self, path: Path, size: Size, sample: int) -> Path:
        """Writes the image of one sample at any size, rendered in windows of `BLOCK` pixels."""
        only = slice(sample, sample + 1)
        return save_blocks(path, size, lambda block: self.through(block, only)[0, 0])


def check_counts(owner: str, **counts: int | None) -> None:
    """Raises InputError for a count below 1, e.g. of pixels or layers."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(f"{owner}.{name}: expected at least 1, got {count}")
