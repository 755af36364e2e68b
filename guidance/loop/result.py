"""What a run returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Images, Output, as_images
from guidance.types import Generator

#: The longest side in pixels at which a notebook shows the images.
NOTEBOOK = 1024


@dataclass(frozen=True)
class Result:
    """The generator in its best state, and the losses on the way there.

    A notebook shows the images of a result.
    """

    generator: Generator
    rendering: Output = field(repr=False)  # the output for the fixed views, in the best state
    best_loss: Float[Tensor, "n"]  # of the best state, before the generator repaired it
    losses: list[float] = field(repr=False)  # mean total loss of each step; NaN where skipped
    skipped: int = 0
    notes: tuple[str, ...] = ()  # what the generator repaired at the end, one line each

    @property
    def images(self) -> Float[Tensor, "n v 3 h w"]:
        """The images of the best state over white, in [0, 1].

        Raises:
            InputError: the generator does not make images.
        """
        return as_images(self.rendering).over().clamp(0, 1)

    def save(self, path: str | Path) -> list[Path]:
        """Saves the images as one PNG, or all files of the generator into a folder.

        The PNG has a row for each sample and a column for each view. With several samples, the
        files of a sample are in a subfolder 000, 001 ...

        Args:
            path: ends with .png, or names a folder, which is created.

        Returns:
            The files.

        Raises:
            InputError: another kind of file.
        """
        path = Path(path)
        if path.suffix.lower() == ".png" and not path.is_dir():
            from guidance.media.write_image import save_levels

            path.parent.mkdir(parents=True, exist_ok=True)
            return [save_levels(path, self._grid())]
        if path.is_file() or (path.suffix and not path.is_dir()):
            raise InputError(f"{path}: expected a .png file or a folder")
        n = self.generator.num_samples
        files = []
        for sample in range(n):
            folder = path if n == 1 else path / f"{sample:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            files += self.generator.export(folder, sample)
        return files

    def _grid(self) -> UInt8[np.ndarray, "h w 3"]:
        """All images as one in 8 bits: a row for each sample, a column for each view."""
        from guidance.media.pixels import to_uint8

        rows = [torch.cat(list(views), -1) for views in self.images]
        return to_uint8(torch.cat(rows, -2))

    def _repr_png_(self) -> bytes | None:
        """The images, for notebooks; None if there are none."""
        if not isinstance(self.rendering, Images):
            return None
        from guidance.media.pixels import fitted
        from guidance.media.write_image import encode_png

        grid = self._grid()
        return encode_png(fitted(grid, NOTEBOOK) if max(grid.shape) > NOTEBOOK else grid)
