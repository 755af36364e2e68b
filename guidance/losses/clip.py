"""Distance between images and prompts in the embedding space of frozen image-text models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.images.encoding import embedded_crops, frozen, sample_means
from guidance.losses.images.regions import MaskedSquare, load_masks
from guidance.losses.text.arguments import (
    KeyframeArgument,
    PromptArgument,
    RegionArgument,
    as_keyframes,
    as_prompts,
    as_regions,
    broadcast_prompts,
    negative_phrases,
    subtracted,
)
from guidance.losses.text.comparison import KINDS, Comparison
from guidance.losses.text.context import LossContext
from guidance.losses.text.distractors import Distractors, find_distractors
from guidance.losses.text.embeddings import embed_prompts
from guidance.losses.text.options import TextOptions
from guidance.losses.text.targets import EmbeddedPrompts
from guidance.losses.text.views import views_of
from guidance.options import FlatOnly
from guidance.outputs import Images
from guidance.prompts import Phrase, Region, check_templates
from guidance.types import Loss, StepContext


class Clip(Loss):
    """Distance of crops from the phrases of each sample's prompt, averaged over crops and views.

    For unit embeddings a of a crop and b of a phrase, the loss is the sum over phrases of
    `weight * distance`, where the distance is one of

    * cosine:    1 - a.b
    * spherical: 2 arcsin^2(|a - b| / 2), VQGAN-CLIP, Crowson et al. 2022 (arXiv 2204.08583). It has
      the same minimum as cosine, and a gradient of another scale.
    * logit:     -log softmax(s a.b) of the phrase among the phrase itself, the negatives and
      everyday captions, with the logit scale s of the encoder. For encoders trained with a sigmoid
      loss (SigLIP), whose gradient vanishes as the probability approaches 1, it is the negative
      logit, -(s a.b + bias); negatives then add log(1 + exp(s a.b + bias)), which is -log(1 - p).

    Differentiable in image and alpha; encoders and embeddings are frozen. A phrase with a stop
    sends no gradient to crops whose distance from it is below the stop.

    Args:
        prompt: one prompt for all samples, or one per sample; see `guidance.prompts`.
        encoder: a name, an Encoder, or several, whose losses are summed.
        kind: the distance; or several with weights, e.g. {"cosine": 1, "logit": 0.1}. They share
            crops and embeddings, so they cost one forward pass together.
        negative: prompts to push away from, for all samples. With cosine and spherical, their
            distances are subtracted with 0.3 times their weight; with logit they compete with the
            prompt.
        augment: how crops are drawn; None uses each view once, unchanged.
        view_prompts: appends "front view", "side view" ... by camera, for rendered objects.
        at: keyframes such as "50% a green apple", for all samples. The embedding of the first
            phrase moves by spherical interpolation from the prompt at progress 0 to each keyframe.
        region: regional prompts such as `sky.png="a blue sky"`, for all samples. Their phrases are
            compared with the white area of a mask, over changing backgrounds; prompt and negatives
            are still compared with the whole image. With logit, regional phrases compete with the
            negatives too.
        segmenter: finds the masks of regions such as `words:the hair="red hair"`.
        templates: wordings of each phrase, with {} for its text; by default those of the encoder.

    Raises:
        InputError: an unknown kind; another number of prompts than samples; `view_prompts` for
            images without cameras, or regions for images with cameras; prompts, keyframes, regions
            or templates that cannot be parsed.
    """

    class Options(TextOptions):
        """Options of "clip"."""

        similarity: Literal["cosine", "spherical", "logit"] = "cosine"
        """The distance between images and prompts."""
        contrastive_weight: float = Field(default=0.1, ge=0)
        """Weight of the logit distance, which separates the prompt from similar captions."""
        region_prompt: Annotated[tuple[Region, ...], FlatOnly()] = ()
        """'sky.png="a blue sky"': a prompt for the inside (white) of a mask. With
        'words:the hair="red hair"', the mask is found in the image at the start of the run."""
        segmenter: Annotated[str, FlatOnly()] = "mini"
        """What finds the parts of --region-prompt words:...; see docs/regions.md."""

    @classmethod
    def from_options(cls, options: Any, context: LossContext) -> Clip:
        kind = {options.similarity: 1.0}
        if options.contrastive_weight:
            kind["logit"] = kind.get("logit", 0.0) + options.contrastive_weight
        return cls(
            context.prompts,
            encoder=options.encoders(),
            kind=kind,
            negative=context.negative,
            augment=context.augment,
            view_prompts=context.view_prompts,
            at=options.at,
            region=options.region_prompt,
            segmenter=options.segmenter,
            templates=options.templates.wordings,
        )

    name = "clip"

    def __init__(
        self,
        prompt: PromptArgument,
        *,
        encoder: str | Encoder | Sequence[str | Encoder] = "mini",
        kind: str | Mapping[str, float] = "cosine",
        negative: PromptArgument = (),
        augment: Augment | None = Augment(),  # noqa: B008  (frozen)
        view_prompts: bool = False,
        at: KeyframeArgument = (),
        region: RegionArgument = (),
        segmenter: str = "mini",
        templates: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.kinds = {kind: 1.0} if isinstance(kind, str) else dict(kind)
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise InputError(f"Clip: kind {kind!r} is unknown; use {', '.join(KINDS)}")
        self.prompts = as_prompts(prompt)
        self.negatives = negative_phrases(negative)
        self.keyframes, self.regions = as_keyframes(at), as_regions(region)
        self.segmenter = segmenter
        self.templates = None if templates is None else check_templates(templates)
        self.view_prompts = view_prompts
        self.augment = augment or Augment.plain()
        self.encoders = (encoder,) if isinstance(encoder, str | Encoder) else tuple(encoder)
        self._comparisons: tuple[Comparison, ...] = ()

    def prepare(self, start: Images) -> None:
        """Loads the encoders, and embeds the prompts of all samples."""
        device = start.image.device
        prompts = broadcast_prompts(self.prompts, len(start.image))
        masks = load_masks(self.regions, start, self.segmenter)
        comparisons = []
        for encoder in frozen(self.encoders, device):
            comparisons.append(self._whole(encoder, [prompt.phrases for prompt in prompts], device))
            for region, mask in zip(self.regions, masks, strict=True):
                rows = [region.phrases] * len(prompts)
                comparisons.append(self._regional(encoder, rows, mask))
        self._comparisons = tuple(comparisons)

    def _whole(
        self, encoder: Encoder, phrases: list[tuple[Phrase, ...]], device: torch.device
    ) -> Comparison:
        """Whole images with the prompts and the negatives."""
        prompts = embed_prompts(
            encoder,
            [row + subtracted(self.negatives) for row in phrases],
            device,
            keyframes=self.keyframes,
            templates=self.templates,
            view_prompts=self.view_prompts,
        )
        lengths = torch.tensor([[len(row)] for row in phrases], device=device)
        positive = torch.arange(prompts.embeddings.shape[3], device=device) < lengths
        distractors = self._distractors(encoder, prompts, self.negatives)
        return Comparison(encoder, prompts, positive, distractors)

    def _regional(
        self, encoder: Encoder, phrases: list[tuple[Phrase, ...]], mask: MaskedSquare
    ) -> Comparison:
        """The inside of a mask with the phrases of its region."""
        prompts = embed_prompts(encoder, phrases, mask.mask.device, templates=self.templates)
        positive = torch.ones_like(prompts.embeddings[0, :, 0, :, 0], dtype=torch.bool)
        # With a sigmoid, negatives are a separate sum, which the whole image already includes.
        negatives = self.negatives if encoder.logit_bias is None else ()
        distractors = self._distractors(encoder, prompts, negatives)
        return Comparison(encoder, prompts, positive, distractors, mask)

    def _distractors(
        self, encoder: Encoder, prompts: EmbeddedPrompts, negatives: Sequence[Phrase]
    ) -> Distractors | None:
        if "logit" not in self.kinds:
            return None
        return find_distractors(encoder, prompts, negatives, self.templates)

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops, encoder after encoder."""
        n = rendering.image.shape[0]
        if not self._comparisons:
            self.prepare(rendering)
        prepared = len(self._comparisons[0].prompts.phrases)
        if prepared != n:
            raise InputError(
                f"Clip was prepared for {prepared} samples, got images of {n}; use a new loss"
            )
        views = views_of(rendering, "Clip") if self.view_prompts else None
        for comparison in self._comparisons:
            now = comparison.at(context.progress)
            targets = now.targets.by_view(views).expand(-1, rendering.image.shape[1], -1, -1)
            view = partial(comparison.view, rendering)
            for seen, crops, part in embedded_crops(
                comparison.encoder, self.augment, view, context, micro_batch
            ):
                target = targets[part.place[:2]].to(seen)
                distance = now.distance(self.kinds, part, seen, target)
                yield sample_means(distance, crops, part)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: PromptArgument) -> Clip:
        """A small instance for the contract tests."""
        return cls(prompts, encoder=encoder, augment=Augment(crops=6, scale=(0.7, 1.3)))
