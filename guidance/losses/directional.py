"""Directional CLIP loss: image embeddings move in the direction given by two texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.losses.text.crops import frozen, sample_means
from guidance.losses.text.direction import Course, Texts
from guidance.types import Loss, Rendering, StepContext


class Directional(Loss):
    """1 - cos(E(x) - E(x_ref), T(target) - T(source)), averaged over crops and views.

    x_ref are the images before the first step, or those given, or the source of each image
    where it brings one, as frames of clips do. Each crop of x is compared with the same crop of
    x_ref, which takes one more forward pass of the encoder, without gradient. T is the mean over
    the encoder's templates; with several phrases, the differences of each from the source are
    added by their weights.

    Source: StyleGAN-NADA (Gal et al. 2021, arXiv 2108.00946, equation 2). Deviation: a difference
    x is divided by sqrt(|x|^2 + 0.01^2), because at x = x_ref the cosine is 0/0: there the loss is
    1 and its gradient points along the wanted direction.

    Args:
        target: what it should become; one for all samples, or one a sample.
        source: what it is, likewise.
        negative: what it should not become, for all samples; subtracted with 0.3 of its weight.
        at: keyframes such as "50% a mosaic", for all samples, as in `Clip`.
        templates: wordings in place of the encoder's own, as in `Clip`.
        encoder: a name or an Encoder.
        augment: how crops are made; None shows each view once, as it is.
        reference: images [n, v, 3, h, w] to start from, of the size of those optimized.

    Raises:
        InputError: another number of prompts than samples; a phrase with a stop; images of other
            shape than the reference; cameras that moved since: no reference shows the same view.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        source: str | Sequence[str],
        *,
        negative: Sequence[str] = (),
        at: Sequence[str] = (),
        templates: Sequence[str] | None = None,
        encoder: str | Encoder = "mini",
        augment: Augment | None = Augment(),  # noqa: B008  (frozen)
        reference: Float[Tensor, "n v 3 h w"] | None = None,
    ) -> None:
        super().__init__()
        self.texts = Texts.of(target, source, negative=negative, at=at, templates=templates)
        self.prompts = self.texts.targets
        self.augment = augment or Augment.plain()
        # In a tuple, so that it does not become part of this module.
        self.encoders = (encoder,)
        self.given = reference
        self._course: Course | None = None

    def prepare(self, start: Rendering) -> None:
        """Loads the encoder, encodes both texts, and keeps the images to compare with."""
        (encoder,) = frozen(self.encoders, start.image.device)
        self._course = Course.between(self.texts, encoder, start, self.given)

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops."""
        if self._course is None:
            self.prepare(rendering)
        assert self._course is not None
        for values, crops, part in self._course.deviations(
            self.augment, rendering, context, micro_batch
        ):
            yield sample_means(values, crops, part)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: Sequence[str]) -> Directional:
        """A small instance for the contract tests."""
        return cls(prompts, "a stone", encoder=encoder, augment=Augment(crops=6))
