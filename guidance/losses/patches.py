"""The directional loss of many small crops: a style in every corner, not a thing in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.crops import frozen, sample_means
from guidance.losses.text.direction import Course, Texts
from guidance.types import Loss, Rendering, StepContext

#: Source: CLIPstyler warps every crop by torchvision's RandomPerspective of this strength.
PERSPECTIVE = 0.5


def patches(crops: int, crop_size: float, picture: tuple[int, int]) -> Augment:
    """Upright square crops of one size, in perspective.

    Args:
        crops: of each sample in a step.
        crop_size: as a share of the image's shorter side; above 1, in pixels.
        image: its height and width in pixels.

    Raises:
        InputError: crops larger than the image.
    """
    shorter = min(picture)
    share = crop_size if crop_size <= 1 else crop_size / shorter
    if not 0 < share <= 1:
        raise InputError(
            f"crop_size: expected a share of the image up to 1, or up to {shorter} pixels, which "
            f"is its shorter side; got {crop_size:g}"
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
    """The directional loss of random crops, without those that are stylized enough.

    For each crop x of the images and the whole reference image X_ref,
    `l = 1 - cos(E(x) - E(X_ref), T(target) - T(source))`; the loss is the mean of `l` where it is
    at least the threshold, and of 0, without gradient, elsewhere. Without the threshold, crops
    that are easily stylized are driven on and on, and the image becomes uneven.

    A crop differs from the whole before it is stylized at all, and its style must outweigh that:
    this asks for a strong style. From the same crop of the reference, as `Directional` has it, the
    slightest tint goes the right way, and all crops are below the threshold within 20 steps.

    Source: CLIPstyler (Kwon & Ye 2022, arXiv 2112.00374, equation 5; 64 crops of 128 of 512
    pixels, threshold 0.7). Deviation: differences are softened as in `Directional`.

    Args:
        target: what it should become; one for all samples, or one a sample.
        source: what it is, likewise.
        negative: what it should not become, for all samples; subtracted with 0.3 of its weight.
        at: keyframes such as "50% a mosaic", for all samples, as in `Clip`.
        templates: wordings in place of the encoder's own, as in `Clip`.
        encoder: a name or an Encoder.
        crops: of each sample in a step.
        crop_size: their side, as a share of the image's shorter side; above 1, in pixels.
        threshold: crops with a lower loss do not count; 0 counts all.
        reference: images [n, v, 3, h, w] to start from; by default those before the first step,
            or of clips each frame's source.

    Raises:
        InputError: as `Directional`, and crops larger than the image.
    """

    name = "patches"

    def __init__(
        self,
        target: str | Sequence[str],
        source: str | Sequence[str] = "a photo",
        *,
        negative: Sequence[str] = (),
        at: Sequence[str] = (),
        templates: Sequence[str] | None = None,
        encoder: str | Encoder = "mini",
        crops: int = 64,
        crop_size: float = 0.25,
        threshold: float = 0.7,
        reference: Float[Tensor, "n v 3 h w"] | None = None,
    ) -> None:
        super().__init__()
        self.texts = Texts.of(target, source, negative=negative, at=at, templates=templates)
        self.prompts = self.texts.targets
        self.encoders = (encoder,)
        self.crops, self.crop_size, self.threshold = crops, crop_size, threshold
        self.given = reference
        self._prepared: tuple[Course, Augment] | None = None

    def prepare(self, start: Rendering) -> None:
        """Loads the encoder, encodes both texts, and keeps the images to compare with."""
        height, width = start.image.shape[-2:]
        augment = patches(self.crops, self.crop_size, (height, width))
        (encoder,) = frozen(self.encoders, start.image.device)
        course = Course.between(self.texts, encoder, start, self.given, from_whole=True)
        self._prepared = course, augment

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops."""
        if self._prepared is None:
            self.prepare(rendering)
        assert self._prepared is not None
        course, augment = self._prepared
        for values, crops, part in course.deviations(augment, rendering, context, micro_batch):
            kept = torch.where(values < self.threshold, 0.0, values)
            yield sample_means(kept, crops, part)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: Sequence[str]) -> PatchDirectional:
        """A small instance for the contract tests."""
        return cls(prompts, "a stone", encoder=encoder, crops=6, crop_size=0.6, threshold=0.2)
