"""A part of an image: what another generator shows, where a mask lets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.windows import whole_only
from guidance.generators.image.pyramid import Pyramid
from guidance.media.write_png import save_png
from guidance.outputs import Rendering
from guidance.types import Generator
from guidance.views import View


def blend(
    new: Float[Tensor, "*b 3 h w"], old: Float[Tensor, "*#b 3 h w"], mask: Float[Tensor, "1 h w"]
) -> Float[Tensor, "*b 3 h w"]:
    """New where the mask is 1, mixed where it is grey, and old to the bit where it is 0."""
    return torch.where(mask > 0, mask * new + (1 - mask) * old, old)


def check_mask(picture: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 rows columns"]) -> None:
    """Raises InputError for a mask of another size than the image's, or that is black."""
    if picture.shape[1:] != mask.shape[1:]:
        raise InputError(
            f"mask: expected the image's {picture.shape[1]} x {picture.shape[2]} pixels, got "
            f"{mask.shape[1]} x {mask.shape[2]}"
        )
    if not bool((mask > 0).any()):
        raise InputError("mask: is black everywhere, so nothing would change; paint it white")


class Masked(Generator):
    """Another generator's images inside a mask; outside, a given image to the bit.

    Args:
        inner: a generator of flat images; where they are transparent, the image shows.
        image: what is outside, in [0, 1].
        mask: 1 where the generator shows, 0 where the image does.

    Raises:
        InputError: sizes that differ; a mask that is black everywhere.
    """

    chosen_by_name = False

    def __init__(
        self,
        inner: Generator,
        picture: Float[Tensor, "3 h w"],
        mask: Float[Tensor, "1 rows columns"],
    ) -> None:
        super().__init__()
        check_mask(picture, mask)
        self.num_samples, self.inner = inner.num_samples, inner
        self.register_buffer("image", picture, persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, view: View | None = None) -> Rendering:
        """The inner generator's images over the given one."""
        whole_only(view, self)
        picture, mask = self.get_buffer("image"), self.get_buffer("mask")
        shown = self.inner(view)
        image = shown.image
        if shown.alpha is not None:
            image = image + (1 - shown.alpha) * picture
        return Rendering(blend(image, picture, mask))

    def param_groups(self) -> list[dict[str, Any]]:
        return self.inner.param_groups()

    def advance(self, progress: float) -> None:
        self.inner.advance(progress)

    def project(self) -> None:
        self.inner.project()

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, and what else the inner generator writes."""
        others = self.inner.export(folder, sample)
        image = save_png(folder / "image.png", self().image[sample, 0])
        return [image, *(path for path in others if path != image)]

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Masked:
        mask = torch.ones(1, 16, 16)
        mask[:, :, :3], mask[:, :, 3] = 0.0, 0.5
        return cls(Pyramid.tiny(num_samples), torch.full((3, 16, 16), 0.25), mask)
