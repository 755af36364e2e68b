"""Directions between texts, and how far image embeddings deviate from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.images.encoding import embed_crops, embed_whole, embedded_crops
from guidance.losses.text.arguments import (
    KeyframeArgument,
    PromptArgument,
    as_keyframes,
    as_prompts,
    broadcast_prompts,
    negative_phrases,
    refuse_stops,
    subtracted,
)
from guidance.losses.text.embeddings import embed_prompts
from guidance.losses.text.targets import EmbeddedPrompts
from guidance.outputs import Images, Rendering
from guidance.prompts import Keyframe, Phrase, Prompt, check_templates
from guidance.types import StepContext

#: Added (squared) to the squared length of an image difference, which is 0 at the first step. It
#: bounds the first gradients at 1 / SOFT times those of a dot product; with 1e-6, they would fill
#: Adam's second moments for hundreds of steps. At a typical difference of 0.3 it changes the
#: cosine by 0.06%.
SOFT = 0.01


@dataclass(frozen=True)
class DirectionPrompts:
    """Target and source prompts: one for all samples, or one per sample."""

    targets: tuple[Prompt, ...]
    sources: tuple[Prompt, ...]
    negatives: tuple[Phrase, ...] = ()  # these three apply to all samples
    keyframes: tuple[Keyframe, ...] = ()
    templates: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        target: PromptArgument,
        source: PromptArgument,
        *,
        negative: PromptArgument = (),
        at: KeyframeArgument = (),
        templates: Sequence[str] | None = None,
    ) -> DirectionPrompts:
        """The arguments of a directional loss, parsed.

        Raises:
            InputError: an argument that cannot be parsed, or a phrase with a stop.
        """
        targets, sources = as_prompts(target), as_prompts(source)
        for prompt in targets + sources:
            refuse_stops(prompt.phrases, "directional losses")
        wordings = None if templates is None else check_templates(templates)
        return cls(targets, sources, negative_phrases(negative), as_keyframes(at), wordings)

    def target_phrases(self, num_samples: int) -> list[tuple[Phrase, ...]]:
        """The phrases of each sample's target, followed by the negatives with weights below 0."""
        negatives = subtracted(self.negatives)
        prompts = broadcast_prompts(self.targets, num_samples)
        return [prompt.phrases + negatives for prompt in prompts]

    def source_phrases(self, num_samples: int) -> list[tuple[Phrase, ...]]:
        """The phrases of each sample's source."""
        return [prompt.phrases for prompt in broadcast_prompts(self.sources, num_samples)]


@dataclass(frozen=True)
class Direction:
    """The direction from source to target in the space of one encoder, and the reference images."""

    encoder: Encoder
    target: EmbeddedPrompts
    source: Float[Tensor, "n d"]  # unit vectors
    reference: Images
    #: Embeddings of the whole reference, if crops are compared with these; else None.
    origin: Float[Tensor, "n v d"] | None
    #: Whether `rendering.source` replaces the reference where it is given, as in videos.
    per_frame: bool

    @classmethod
    def between(
        cls,
        prompts: DirectionPrompts,
        encoder: Encoder,
        start: Images,
        reference: Float[Tensor, "n v 3 h w"] | None = None,
        *,
        from_whole: bool = False,
    ) -> Direction:
        """Embeds the prompts, and keeps the reference images.

        Args:
            prompts: of all samples.
            encoder: a frozen image-text model.
            start: the images before the first step.
            reference: images to compare with; by default `start.source`, or else `start`.
            from_whole: compares each crop with the whole reference image instead of with the same
                crop of it.

        Raises:
            InputError: another number of prompts than samples, or target and source of the same
                meaning.
        """
        images = start
        if reference is not None:
            images = Rendering(reference.to(start.image))
        elif start.source is not None:
            images = Rendering(start.source)
        n, device = len(images.image), images.image.device
        target = embed_prompts(
            encoder,
            prompts.target_phrases(n),
            device,
            keyframes=prompts.keyframes,
            templates=prompts.templates,
        )
        sources = embed_prompts(
            encoder, prompts.source_phrases(n), device, templates=prompts.templates
        ).at(0.0)
        mean = (sources.embeddings[:, 0] * sources.weights[..., None]).sum(1)
        alpha = None if images.alpha is None else images.alpha.detach().clone()
        kept = Rendering(images.image.detach().clone(), alpha, cameras=images.cameras)
        origin = embed_whole(encoder, kept) if from_whole else None
        source = F.normalize(mean, dim=-1)
        direction = cls(encoder, target, source, kept, origin, reference is None)
        lengths = torch.stack([direction._difference(at).norm(dim=-1) for at in (0.0, 1.0)])
        if bool((lengths.amax(0) < 1e-4).any()):
            raise InputError(
                "Directional: target and source mean the same, so there is no direction; change "
                "one of them"
            )
        return direction

    def _difference(self, progress: float) -> Float[Tensor, "n d"]:
        """The weighted sum over phrases of `T(phrase) - T(source)`."""
        now = self.target.at(progress)
        return ((now.embeddings[:, 0] - self.source[:, None]) * now.weights[..., None]).sum(1)

    def distances(
        self, augment: Augment, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[tuple[Float[Tensor, "s v k"], Crops, Part]]:
        """1 - cos of the angle between image difference and direction, in micro-batches of crops.

        The image difference is that of a crop from the same crop of the reference, or from the
        whole reference; the reference is embedded without gradient.

        Raises:
            InputError: images of another shape than the reference, or from other cameras.
        """
        reference, origin = self.reference, self.origin
        if self.per_frame and rendering.source is not None:
            reference = Rendering(rendering.source)
            origin = None if origin is None else embed_whole(self.encoder, reference)
        _check_comparable(rendering, reference)
        directions = F.normalize(self._difference(context.progress), dim=-1)
        for seen, crops, part in embedded_crops(
            self.encoder, augment, lambda: rendering, context, micro_batch
        ):
            if origin is not None:
                before = origin[part.place[:2]].unsqueeze(2)
            else:
                with torch.no_grad():
                    before = embed_crops(self.encoder, augment, reference, crops, part)
            difference = seen - before
            direction = directions[part.samples, None, None].to(difference)
            length = (difference.square().sum(-1) + SOFT**2).sqrt()
            yield 1 - (difference * direction).sum(-1) / length, crops, part


def _check_comparable(rendering: Images, reference: Images) -> None:
    """Raises InputError unless images and reference show the same views at the same size."""
    if rendering.image.shape != reference.image.shape:
        raise InputError(
            f"Directional: expected images {list(reference.image.shape)} like the reference, "
            f"got {list(rendering.image.shape)}"
        )
    now, then = rendering.cameras, reference.cameras
    if now is not None and then is not None and not torch.equal(now.view, then.view):
        raise InputError(
            "Directional: the cameras moved since the reference was rendered; use fixed views"
        )
