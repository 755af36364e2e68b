"""Content loss: difference of the feature maps inside an encoder's image tower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.images.batches import batches, over_white, sample_sums
from guidance.losses.images.encoding import frozen
from guidance.losses.text.context import LossContext
from guidance.losses.text.options import EncoderOptions
from guidance.outputs import Images, Rendering
from guidance.types import Loss, StepContext, Terms

#: Which blocks to compare, as shares of the depth of the image tower. The second and third of the
#: four blocks of the mini CLIP have an eighth of the image's resolution, like conv4_2 of VGG.
DEPTHS = (0.5, 0.75)


class Content(Loss):
    """Relative squared difference of feature maps from those of a reference image.

        mean over depths of  mean((f - f_ref)^2) / mean(f_ref^2)        averaged over views

    It is 0 for the reference itself and about 1 for an unrelated image. The whole image is
    compared, resized to a square and composited over white where it is transparent.
    Differentiable in image and alpha; the encoder is frozen.

    Source: CLIPstyler, Kwon & Ye 2022 (arXiv 2112.00374), equation 6, after Gatys et al. 2016.
    Deviations: the feature maps are those of an image-text encoder, by default the embedded mini
    CLIP, instead of conv4_2 and conv5_2 of a VGG-19 trained on ImageNet, whose weights are not
    included; and the difference is divided by the magnitude of the maps, so that one weight suits
    all towers.

    Args:
        encoder: a name or an Encoder with `image_maps`, as all models of open_clip have.
        size: side in pixels of the square images, for towers that accept any size.
        depths: blocks of the tower, as shares in (0, 1]; 1 is the last block.
        reference: images [n, v, 3, h, w]; by default the source of each image where it has one
            (the frames of a video), or else the images before the first step.

    Raises:
        InputError: an encoder without `image_maps`; a depth outside (0, 1]; another number of
            images than the reference has.
    """

    class Options(EncoderOptions):
        """Options of "content"."""

    @classmethod
    def from_options(cls, options: Any, context: LossContext) -> Terms:
        terms = Terms()
        for encoder in options.encoders():
            terms = terms + cls(encoder=encoder, reference=context.reference)
        return terms

    name = "content"

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
        self.encoders = (encoder,)  # a tuple, so that it does not become a submodule
        self.size, self.depths, self.reference = size, tuple(depths), reference
        self._reference_maps: tuple[Float[Tensor, "b c rows columns"], ...] = ()

    def prepare(self, start: Images) -> None:
        """Loads the encoder, and computes the feature maps of the reference."""
        self._loaded = frozen(self.encoders, start.image.device)
        if self.reference is not None:
            start = Rendering(self.reference.to(start.image))
        elif start.source is not None:
            start = Rendering(start.source)
        n, v = start.image.shape[:2]
        with torch.no_grad():
            # One image at a time: the maps are small, the memory of the tower may not be.
            maps = [self._maps(start, batch) for batch in batches(n * v, 1)]
        self._reference_maps = tuple(torch.cat(stage) for stage in zip(*maps, strict=True))
        self._shape = (n, v)

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of images."""
        if not self._reference_maps:
            self.prepare(rendering)
        n, v = rendering.image.shape[:2]
        if self._shape != (n, v) and not self._is_per_frame(rendering):
            raise InputError(
                f"Content: expected {self._shape[0]} x {self._shape[1]} images like the "
                f"reference, got {n} x {v}"
            )
        image = rendering.image
        for batch in batches(n * v, micro_batch):
            total = image.new_zeros(batch.stop - batch.start)
            for maps, target in zip(
                self._maps(rendering, batch), self._targets(rendering, batch), strict=True
            ):
                difference = (maps - target).square().flatten(1).mean(1)
                total = total + (difference / target.square().flatten(1).mean(1)).to(total)
            yield sample_sums(total / (len(self.depths) * v), batch, image)

    def _is_per_frame(self, rendering: Images) -> bool:
        """Whether each image is compared with its own source."""
        return self.reference is None and rendering.source is not None

    @torch.no_grad()
    def _targets(self, rendering: Images, batch: slice) -> list[Float[Tensor, "b _ _ _"]]:
        """The feature maps of the reference for some of the images."""
        if self.reference is None and rendering.source is not None:
            return self._maps(Rendering(rendering.source), batch)
        return [maps[batch] for maps in self._reference_maps]

    def _maps(self, rendering: Images, batch: slice) -> list[Float[Tensor, "b c rows columns"]]:
        """The feature maps of some of the images at each depth."""
        square = F.interpolate(
            over_white(rendering, batch), (self.size, self.size), mode="bilinear", antialias=True
        )
        maps = self._loaded[0].image_maps(square)
        return [maps[max(0, round(depth * len(maps)) - 1)] for depth in self.depths]

    @classmethod
    def tiny_from_encoder(cls, encoder: Encoder) -> Content:
        """A small instance for the contract tests."""
        return cls(encoder=encoder, size=9)
