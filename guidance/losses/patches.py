"""Directional CLIP loss of many small crops, for styles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.images.encoding import frozen, sample_means
from guidance.losses.text.arguments import KeyframeArgument, PromptArgument
from guidance.losses.text.context import LossContext
from guidance.losses.text.direction import Direction, DirectionPrompts
from guidance.losses.text.options import TextOptions
from guidance.models.catalogue import find_model
from guidance.outputs import Images
from guidance.types import Loss, StepContext, Terms

#: Source: CLIPstyler applies torchvision's RandomPerspective of this strength to each crop.
PERSPECTIVE = 0.5


def patches(crops: int, crop_size: float, size: tuple[int, int]) -> Augment:
    """Upright square crops of one size, with random perspective.

    Args:
        crops: per sample and step.
        crop_size: side of a crop, as a share of the image's shorter side; above 1, in pixels.
        size: height and width of the image in pixels.

    Raises:
        InputError: crops larger than the image.
    """
    shorter = min(size)
    share = crop_size if crop_size <= 1 else crop_size / shorter
    if not 0 < share <= 1:
        raise InputError(
            f"crop_size: expected a share of the image up to 1, or up to {shorter} pixels, the "
            f"shorter side of the image; got {crop_size:g}"
        )
    return Augment(
        crops=crops,
        scale=(share, share),
        rotation_deg=0.0,
        perspective=PERSPECTIVE,
        whole=0.0,
        brightness=0.0,
        contrast=0.0,
        saturation=0.0,
    )


class PatchDirectional(Loss):
    """Directional CLIP loss of small random crops, without crops that are stylized enough.

    For each crop x of an image and its whole reference image X_ref,

        l(x) = 1 - cos(E(x) - E(X_ref), T(target) - T(source))

    The loss is the mean over all crops and views of l(x) where it is at least `threshold`, and of
    0, without gradient, elsewhere. Without the threshold, crops that are easy to stylize are
    optimized further and further, and the image becomes uneven.

    A crop differs from the whole image before it is stylized, and its style must outweigh that
    difference, so the loss asks for a strong style. With the same crop of the reference instead,
    as in `Directional`, a slight tint is enough: all crops fall below the threshold within 20
    steps.

    Differentiable in image and alpha; encoder and embeddings are frozen. The loss is in [0, 2].

    Source: CLIPstyler, Kwon & Ye 2022 (arXiv 2112.00374), equation 5: 64 crops of 128 pixels of
    images of 512 pixels, threshold 0.7. Deviation: the length of an image difference is softened
    as in `Directional`.

    Args:
        target: what the images should show; one prompt for all samples, or one per sample.
        source: what the reference shows, likewise.
        negative: what the images should not show, for all samples; subtracted with 0.3 times its
            weight.
        at: keyframes such as "50% a mosaic", for all samples; see `Clip`.
        templates: wordings in place of those of the encoder; see `Clip`.
        encoder: a name or an Encoder.
        crops: per sample and step.
        crop_size: side of a crop, as a share of the image's shorter side; above 1, in pixels.
        threshold: crops with a lower loss do not count; 0 counts all crops.
        reference: images [n, v, 3, h, w]; by default the source of each image where it has one
            (the frames of a video), or else the images before the first step.

    Raises:
        InputError: as `Directional`, and for crops larger than the image.
    """

    class Options(TextOptions):
        """Options of "patches"."""

        PRESETS: ClassVar = {"draft": {"crops": 24}, "normal": {"crops": 64}, "best": {"crops": 96}}

        crops: int = Field(default=64, ge=1, le=1024)
        """Random crops per step."""
        crop_size: float = Field(default=0.25, gt=0, le=2048)
        """Side of a crop as a share of the image's shorter side; above 1, in pixels."""
        # CLIPstyler's threshold is for ViT-B/32. The embedded models reach lower losses: with 0.7
        # most crops are below the threshold before the style is visible, with 0.2 few are (chosen
        # by eye).
        threshold: Annotated[float, Field(ge=0, le=2)] | Literal["auto"] = "auto"
        """Crops with a lower loss do not count. "auto" is 0.2 for embedded models and 0.7
        for others."""

    @classmethod
    def from_options(cls, options: Any, context: LossContext) -> Terms:
        terms = Terms()
        for name, encoder in zip(options.models(), options.encoders(), strict=True):
            known = find_model(name)
            usual = 0.2 if known is not None and known.folder is not None else 0.7
            terms = terms + cls(
                context.prompts,
                context.source_of("patches"),
                negative=context.negative,
                at=options.at,
                templates=options.templates.wordings,
                encoder=encoder,
                crops=options.crops,
                crop_size=options.crop_size,
                threshold=usual if options.threshold == "auto" else options.threshold,
                reference=context.reference,
            )
        return terms

    name = "patches"

    def __init__(
        self,
        target: PromptArgument,
        source: PromptArgument = "a photo",
        *,
        negative: PromptArgument = (),
        at: KeyframeArgument = (),
        templates: Sequence[str] | None = None,
        encoder: str | Encoder = "mini",
        crops: int = 64,
        crop_size: float = 0.25,
        threshold: float = 0.7,
        reference: Float[Tensor, "n v 3 h w"] | None = None,
    ) -> None:
        super().__init__()
        self.texts = DirectionPrompts.of(
            target, source, negative=negative, at=at, templates=templates
        )
        self.prompts = self.texts.targets
        self.encoders = (encoder,)  # a tuple, so that it does not become a submodule
        self.crops, self.crop_size, self.threshold = crops, crop_size, threshold
        self.reference = reference
        self._prepared: tuple[Direction, Augment] | None = None

    def prepare(self, start: Images) -> None:
        """Loads the encoder, embeds both texts, and keeps the reference images."""
        height, width = start.image.shape[-2:]
        augment = patches(self.crops, self.crop_size, (height, width))
        (encoder,) = frozen(self.encoders, start.image.device)
        direction = Direction.between(self.texts, encoder, start, self.reference, from_whole=True)
        self._prepared = direction, augment

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops."""
        if self._prepared is None:
            self.prepare(rendering)
        assert self._prepared is not None
        direction, augment = self._prepared
        for values, crops, part in direction.distances(augment, rendering, context, micro_batch):
            kept = torch.where(values < self.threshold, 0.0, values)
            yield sample_means(kept, crops, part)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: PromptArgument) -> PatchDirectional:
        """A small instance for the contract tests."""
        return cls(prompts, "a stone", encoder=encoder, crops=6, crop_size=0.6, threshold=0.2)
