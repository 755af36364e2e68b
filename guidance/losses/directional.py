"""Directional CLIP loss: image embeddings move in the direction given by two texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.losses.images.encoding import frozen, sample_means
from guidance.losses.text.arguments import KeyframeArgument, PromptArgument
from guidance.losses.text.context import LossContext
from guidance.losses.text.direction import Direction, DirectionPrompts
from guidance.losses.text.options import TextOptions
from guidance.outputs import Images
from guidance.types import Loss, StepContext, Terms


class Directional(Loss):
    """Directional CLIP loss between two texts, averaged over crops and views.

        1 - cos(E(x) - E(x_ref), T(target) - T(source))

    E is the image embedding and T the text embedding, averaged over templates. Each crop of x is
    compared with the same crop of x_ref, which takes a second forward pass of the encoder, without
    gradient. With several phrases, the differences of each from the source are summed with their
    weights.

    x_ref is `reference`, or else the source of each image where it has one (the frames of a
    video), or else the image before the first step.

    Differentiable in image and alpha; encoder and embeddings are frozen. The loss is in [0, 2].

    Source: StyleGAN-NADA, Gal et al. 2021 (arXiv 2108.00946), equation 2. Deviation: an image
    difference d is divided by sqrt(|d|^2 + 0.01^2), because the cosine is 0/0 at x = x_ref. There
    the loss is 1, and its gradient points along the text direction.

    Args:
        target: what the images should show; one prompt for all samples, or one per sample.
        source: what the reference shows, likewise.
        negative: what the images should not show, for all samples; subtracted with 0.3 times its
            weight.
        at: keyframes such as "50% a mosaic", for all samples; see `Clip`.
        templates: wordings in place of those of the encoder; see `Clip`.
        encoder: a name or an Encoder.
        augment: how crops are drawn; None uses each view once, unchanged.
        reference: images [n, v, 3, h, w], of the same size as the optimized ones.

    Raises:
        InputError: another number of prompts than samples; a phrase with a stop; images of another
            shape than the reference; cameras that have moved since the reference was rendered.
    """

    class Options(TextOptions):
        """Options of "directional"."""

    @classmethod
    def from_options(cls, options: Any, context: LossContext) -> Terms:
        terms = Terms()
        for encoder in options.encoders():
            terms = terms + cls(
                context.prompts,
                context.source_of("directional"),
                negative=context.negative,
                at=options.at,
                templates=options.templates.wordings,
                encoder=encoder,
                augment=None,
                reference=context.reference,
            )
        return terms

    name = "directional"

    def __init__(
        self,
        target: PromptArgument,
        source: PromptArgument,
        *,
        negative: PromptArgument = (),
        at: KeyframeArgument = (),
        templates: Sequence[str] | None = None,
        encoder: str | Encoder = "mini",
        augment: Augment | None = Augment(),  # noqa: B008  (frozen)
        reference: Float[Tensor, "n v 3 h w"] | None = None,
    ) -> None:
        super().__init__()
        self.texts = DirectionPrompts.of(
            target, source, negative=negative, at=at, templates=templates
        )
        self.prompts = self.texts.targets
        self.augment = augment or Augment.plain()
        self.encoders = (encoder,)  # a tuple, so that it does not become a submodule
        self.reference = reference
        self._direction: Direction | None = None

    def prepare(self, start: Images) -> None:
        """Loads the encoder, embeds both texts, and keeps the reference images."""
        (encoder,) = frozen(self.encoders, start.image.device)
        self._direction = Direction.between(self.texts, encoder, start, self.reference)

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops."""
        if self._direction is None:
            self.prepare(rendering)
        assert self._direction is not None
        for values, crops, part in self._direction.distances(
            self.augment, rendering, context, micro_batch
        ):
            yield sample_means(values, crops, part)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: PromptArgument) -> Directional:
        """A small instance for the contract tests."""
        return cls(prompts, "a stone", encoder=encoder, augment=Augment(crops=6))
