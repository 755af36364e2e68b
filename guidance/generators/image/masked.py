"""A given image with the output of another generator inside a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.generators.image.param.masks import blend, check_mask
from guidance.generators.image.param.windows import whole_only
from guidance.generators.image.pyramid import Pyramid
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.types import Generator
from guidance.views import View


class Masked(Generator):
    """The images of another generator inside a mask; outside, a given image, bit-identical.

    Args:
        inner: a generator of flat images; transparent ones are composited over the given image.
        image: the given image, in [0, 1].
        mask: 1 where the generator's image is used, 0 where the given image is kept.

    Raises:
        InputError: the sizes differ; the mask is black everywhere.
    """

    chosen_by_name = False

    def __init__(
        self,
        inner: Generator,
        image: Float[Tensor, "3 h w"],
        mask: Float[Tensor, "1 rows columns"],
    ) -> None:
        super().__init__()
        check_mask(image, mask)
        self.num_samples, self.inner = inner.num_samples, inner
        self.register_buffer("image", image, persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, view: View | None = None) -> Rendering:
        """The inner generator's images over the given image."""
        whole_only(view, self)
        given, mask = self.get_buffer("image"), self.get_buffer("mask")
        inner = self.inner(view)
        image = inner.image
        if inner.alpha is not None:
            image = image + (1 - inner.alpha) * given
        return Rendering(blend(image, given, mask))

    def param_groups(self) -> list[dict[str, Any]]:
        return self.inner.param_groups()

    def advance(self, progress: float) -> None:
        self.inner.advance(progress)

    def project(self) -> None:
        self.inner.project()

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, and the other files of the inner generator."""
        others = self.inner.export(folder, sample)
        image = save_png(folder / "image.png", self().image[sample, 0])
        return [image, *(path for path in others if path != image)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Masked:
        mask = torch.ones(1, 16, 16)
        mask[:, :, :3], mask[:, :, 3] = 0.0, 0.5
        return cls(Pyramid.tiny(num_samples), torch.full((3, 16, 16), 0.25), mask)
