"""What an image shows, whatever its style: the maps inside an encoder's image tower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.crops import frozen
from guidance.types import Loss, Rendering, StepContext

#: Where to look, in shares of the tower's blocks. The second and the third of the mini CLIP's four
#: are at an eighth of the image's side, as conv4_2 of VGG is.
DEPTHS = (0.5, 0.75)


class Content(Loss):
    """Squared difference of a tower's maps from those of the reference, in shares of the latter.

    `mean over depths of mean((f - f_ref)^2) / mean(f_ref^2)`, averaged over views: 0 for the
    reference itself, about 1 for an image that has nothing to do with it. The whole image is
    looked at, squeezed to a square of fixed size, over white where it is transparent.
    Differentiable in image and alpha.

    Source: CLIPstyler (Kwon & Ye 2022, arXiv 2112.00374, equation 6) after Gatys et al. 2016.
    Deviations: the maps are those of a model that is here anyway, by default the embedded mini
    CLIP, as the stand-in for conv4_2 and conv5_2 of a VGG-19 trained on ImageNet, whose weights
    are not; and the difference is divided by the size of the maps, so that a weight means the same
    for all towers.

    Args:
        encoder: a name or an Encoder that shows its maps, as all of open_clip do.
        size: pixels a side of what the tower sees, where it takes any size.
        depths: which of the tower's blocks, as shares in (0, 1]; 1 is the last.
        reference: images [n, v, 3, h, w] to resemble; by default those before the first step,
            or of clips each frame's source.

    Raises:
        InputError: an encoder that does not show its maps; a depth outside (0, 1]; images of
            another number than the reference.
    """

    def __init__(
        self,
        *,
        encoder: str | Encoder = "mini",
        size: int = 128,
        depths: Sequence[float] = DEPTHS,
        reference: Float[Tensor, "n v 3 h w"] | None = None,
    ) -> None:
        super().__init__()
        if not depths or not all(0 < depth <= 1 for depth in depths):
            raise InputError(f"Content.depths: expected shares in (0, 1], got {tuple(depths)}")
        self.encoders = (encoder,)  # in a tuple, so that it does not become part of this module
        self.size, self.depths, self.given = size, tuple(depths), reference
        self._reference: tuple[Float[Tensor, "b c rows columns"], ...] = ()

    def prepare(self, start: Rendering) -> None:
        """Loads the encoder and looks at the reference once."""
        self._encoder = frozen(self.encoders, start.image.device)
        if self.given is not None:
            start = Rendering(self.given.to(start.image))
        elif start.source is not None:
            start = Rendering(start.source)
        n, v = start.image.shape[:2]
        with torch.no_grad():
            # One image at a time: what is kept is small, what a tower needs may not be.
            seen = [self._maps(start, slice(i, i + 1)) for i in range(n * v)]
        self._reference = tuple(torch.cat(maps) for maps in zip(*seen, strict=True))
        self._shape = (n, v)

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of images."""
        if not self._reference:
            self.prepare(rendering)
        n, v = rendering.image.shape[:2]
        follows = self.given is None and rendering.source is not None
        if self._shape != (n, v) and not follows:
            raise InputError(
                f"Content: expected {self._shape[0]} x {self._shape[1]} images like the "
                f"reference, got {n} x {v}"
            )
        image = rendering.image
        for start in range(0, n * v, micro_batch):
            batch = slice(start, min(start + micro_batch, n * v))
            apart = image.new_zeros(batch.stop - start)
            for maps, wanted in zip(
                self._maps(rendering, batch), self._wanted(rendering, batch), strict=True
            ):
                difference = (maps - wanted).square().flatten(1).mean(1)
                apart = apart + (difference / wanted.square().flatten(1).mean(1)).to(apart)
            places = torch.arange(start, batch.stop, device=image.device) // v
            shares = apart / (len(self.depths) * v)
            yield image.new_zeros(n).index_add(0, places, shares)

    @torch.no_grad()
    def _wanted(self, rendering: Rendering, batch: slice) -> list[Float[Tensor, "b _ _ _"]]:
        """Maps of the reference of some of the images."""
        if self.given is None and rendering.source is not None:
            return self._maps(Rendering(rendering.source), batch)
        return [reference[batch] for reference in self._reference]

    def _maps(self, rendering: Rendering, batch: slice) -> list[Float[Tensor, "b c rows columns"]]:
        """Maps of some of the images, counted sample by sample and view by view."""
        image = rendering.image.flatten(0, 1)[batch]
        alpha = None if rendering.alpha is None else rendering.alpha.flatten(0, 1)[batch, None]
        pictures = Rendering(image[:, None], alpha).over()[:, 0]
        square = F.interpolate(
            pictures, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False
        )
        maps = self._encoder[0].image_maps(square)
        return [maps[max(0, round(depth * len(maps)) - 1)] for depth in self.depths]

    @classmethod
    def tiny_of_pictures(cls, encoder: Encoder) -> Content:
        """A small instance for the contract tests."""
        return cls(encoder=encoder, size=9)
