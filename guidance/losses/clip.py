"""Distance between images and prompts in the embedding space of frozen image-text models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.augment import Augment, Part
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
from guidance.losses.text.distractors import Distractors, find_distractors
from guidance.losses.text.embeddings import embed_prompts
from guidance.losses.text.targets import EmbeddedPrompts, Targets
from guidance.losses.text.views import view_indices
from guidance.outputs import Images
from guidance.prompts import Phrase, check_templates
from guidance.types import Loss, StepContext
from guidance.views import Cameras

KINDS = ("cosine", "spherical", "logit")


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
        templates: wordings of each phrase, with {} for its text; by default those of the encoder.

    Raises:
        InputError: an unknown kind; another number of prompts than samples; `view_prompts` for
            images without cameras, or regions for images with cameras; prompts, keyframes, regions
            or templates that cannot be parsed.
    """

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
        templates: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.kinds = {kind: 1.0} if isinstance(kind, str) else dict(kind)
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise InputError(f"Clip: kind {kind!r} is unknown; use {', '.join(KINDS)}")
        self.prompts = as_prompts(prompt)
        self.negatives = negative_phrases(negative)
        self.keyframes, self.regions = as_keyframes(at), as_regions(region)
        self.templates = None if templates is None else check_templates(templates)
        self.view_prompts = view_prompts
        self.augment = augment or Augment.plain()
        self.encoders = (encoder,) if isinstance(encoder, str | Encoder) else tuple(encoder)
        self._comparisons: tuple[_Comparison, ...] = ()

    def prepare(self, start: Images) -> None:
        """Loads the encoders, and embeds the prompts of all samples."""
        device = start.image.device
        prompts = broadcast_prompts(self.prompts, len(start.image))
        masks = load_masks(self.regions, start)
        comparisons = []
        for encoder in frozen(self.encoders, device):
            comparisons.append(self._whole(encoder, [prompt.phrases for prompt in prompts], device))
            for region, mask in zip(self.regions, masks, strict=True):
                rows = [region.phrases] * len(prompts)
                comparisons.append(self._regional(encoder, rows, mask))
        self._comparisons = tuple(comparisons)

    def _whole(
        self, encoder: Encoder, phrases: list[tuple[Phrase, ...]], device: torch.device
    ) -> _Comparison:
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
        return _Comparison(encoder, prompts, positive, distractors)

    def _regional(
        self, encoder: Encoder, phrases: list[tuple[Phrase, ...]], mask: MaskedSquare
    ) -> _Comparison:
        """The inside of a mask with the phrases of its region."""
        prompts = embed_prompts(encoder, phrases, mask.mask.device, templates=self.templates)
        positive = torch.ones_like(prompts.embeddings[0, :, 0, :, 0], dtype=torch.bool)
        # With a sigmoid, negatives are a separate sum, which the whole image already includes.
        negatives = self.negatives if encoder.logit_bias is None else ()
        distractors = self._distractors(encoder, prompts, negatives)
        return _Comparison(encoder, prompts, positive, distractors, mask)

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
            raise InputError(f"Clip was prepared for {prepared} samples, got images of {n}")
        views = self._views(rendering.cameras)
        for comparison in self._comparisons:
            now = comparison.at(context.progress)
            targets = now.targets.by_view(views).expand(-1, rendering.image.shape[1], -1, -1)
            view = partial(comparison.view, rendering)
            for seen, crops, part in embedded_crops(
                comparison.encoder, self.augment, view, context, micro_batch
            ):
                target = targets[part.place[:2]].to(seen)
                yield sample_means(self._distance(now, part, seen, target), crops, part)

    def _distance(
        self,
        now: _StepComparison,
        part: Part,
        seen: Float[Tensor, "s v k d"],
        target: Float[Tensor, "s v m d"],
    ) -> Float[Tensor, "s v k"]:
        """The weighted sum of distances of each crop from the phrases of its sample."""
        cosine = seen @ target.mT
        stops, weights, positive = (
            values[part.samples, None, None].to(seen)
            for values in (now.targets.stops, now.targets.weights, now.comparison.positive)
        )
        total = torch.zeros_like(cosine[..., 0])
        for kind, share in self.kinds.items():
            of_negatives: Float[Tensor, "s v k"] | float = 0.0
            if kind == "cosine":
                distance = 1 - cosine
            elif kind == "spherical":
                distance = _spherical(cosine)
            else:
                distance, of_negatives = _logit(now, part, seen, cosine)
            distance = torch.where(distance < stops, distance.detach(), distance)
            # In the logit, negatives are distractors and no terms of the sum.
            factors = weights * positive if kind == "logit" else weights
            summed = (factors * distance).sum(-1)
            total = total + share * (summed + of_negatives)
        return total

    def _views(self, cameras: Cameras | None) -> Int[Tensor, "n v"] | None:
        if not self.view_prompts:
            return None
        if cameras is None:
            raise InputError(
                "Clip: view_prompts=True needs images with cameras, from a mesh generator; "
                "remove it for flat images"
            )
        return view_indices(cameras)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: Sequence[str]) -> Clip:
        """A small instance for the contract tests."""
        return cls(prompts, encoder=encoder, augment=Augment(crops=6, scale=(0.7, 1.3)))


@dataclass(frozen=True)
class _Comparison:
    """Whole images with their prompts, or one region with its phrases, for one encoder."""

    encoder: Encoder
    prompts: EmbeddedPrompts  # including the negatives, with weights below 0
    positive: Bool[Tensor, "n m"]  # False for negatives
    distractors: Distractors | None  # for "logit" only
    mask: MaskedSquare | None = None  # of the region

    def view(self, rendering: Images) -> Images:
        """What the encoder sees: the whole images, or the inside of the mask."""
        return rendering if self.mask is None else self.mask.cut(rendering)

    def at(self, progress: float) -> _StepComparison:
        """Targets and weights at a progress in [0, 1]."""
        log_weights = None if self.distractors is None else self.distractors.log_weights(progress)
        return _StepComparison(self, self.prompts.at(progress), log_weights)


@dataclass(frozen=True)
class _StepComparison:
    """A comparison with its values at one step."""

    comparison: _Comparison
    targets: Targets
    log_weights: Float[Tensor, "n m o"] | None  # of the distractors


def _spherical(cosine: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """2 arcsin^2(|a - b| / 2), with |a - b|^2 = 2 - 2 cos.

    Clamped away from 0 and 1, where the derivatives of the root and of arcsin are infinite.
    """
    half_chord = ((1 - cosine) / 2).clamp(1e-10, 1 - 1e-6).sqrt()
    return 2 * half_chord.arcsin().square()


def _logit(
    now: _StepComparison,
    part: Part,
    seen: Float[Tensor, "s v k d"],
    cosine: Float[Tensor, "s v k m"],
) -> tuple[Float[Tensor, "s v k m"], Float[Tensor, "s v k"] | float]:
    """The distance from each phrase, and the term of the negatives of a sigmoid encoder."""
    encoder, distractors = now.comparison.encoder, now.comparison.distractors
    assert distractors is not None and now.log_weights is not None
    scale, bias = encoder.logit_scale, encoder.logit_bias
    logits = scale * (seen @ distractors.embeddings.to(seen).mT)
    log_weights = now.log_weights[part.samples, None, None].to(seen)
    if bias is None:
        others = (logits.unsqueeze(-2) + log_weights).logsumexp(-1)
        return F.softplus(others - scale * cosine), 0.0
    of_negatives = (F.softplus(logits + bias) * log_weights[..., 0, :].exp()).sum(-1)
    return -(scale * cosine + bias), of_negatives
