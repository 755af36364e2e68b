"""Directions between text embeddings, and how image embeddings move along them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.crops import embed
from guidance.losses.text.embeddings import (
    broadcast_prompts,
    negative_phrases,
    pushing_away,
    timeline,
)
from guidance.losses.text.timeline import Timeline
from guidance.prompts import Keyframe, Phrase, check_templates, parse_keyframes, parse_prompt
from guidance.types import Rendering, StepContext

#: Softens the length of a difference that is near 0, and with it the first gradients, which are
#: 1 / SOFT times those of a dot product: 1e-6 here would fill Adam's second moments for hundreds of
#: steps. At a usual difference of 0.3 it changes the cosine by 0.06%.
SOFT = 0.01


@dataclass(frozen=True)
class Texts:
    """What images are to become, and what they are; one for all samples, or one a sample."""

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    negatives: tuple[str, ...] = ()  # these three for all samples
    keyframes: tuple[Keyframe, ...] = ()
    templates: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        target: str | Sequence[str],
        source: str | Sequence[str],
        *,
        negative: Sequence[str] = (),
        at: Sequence[str] = (),
        templates: Sequence[str] | None = None,
    ) -> Texts:
        """As losses are given them; see `guidance.prompts` for what they may say."""
        targets, sources, negatives, frames = (
            (texts,) if isinstance(texts, str) else tuple(texts)
            for texts in (target, source, negative, at)
        )
        wordings = None if templates is None else check_templates(templates)
        return cls(targets, sources, negatives, parse_keyframes(frames), wordings)

    def phrases(
        self, num_samples: int
    ) -> tuple[list[tuple[Phrase, ...]], list[tuple[Phrase, ...]]]:
        """The phrases of the targets, negatives included, and of the sources, sample by sample.

        Raises:
            InputError: another number of prompts than samples; a stop, which directions have not.
        """
        away = pushing_away(negative_phrases(self.negatives))
        rows, sources = (
            [parse_prompt(text) for text in broadcast_prompts(texts, num_samples)]
            for texts in (self.targets, self.sources)
        )
        for phrase in (phrase for row in rows + sources for phrase in row):
            if phrase.stop > -math.inf:
                raise InputError(
                    f"{phrase.text[:60]!r}: a stop ({phrase.stop:g}) belongs to distances, and a "
                    "direction has none; leave it out"
                )
        return [row + away for row in rows], sources


@dataclass(frozen=True)
class Course:
    """Where the images of each sample come from, and the direction that they are to take."""

    encoder: Encoder
    wanted: Timeline
    source: Float[Tensor, "n d"]  # unit vectors
    reference: Rendering
    origin: Float[Tensor, "n v 1 d"] | None  # the whole reference, if crops come from there
    follows: bool = False  # each image's own source in place of the reference, where it has one

    @classmethod
    def between(
        cls,
        texts: Texts,
        encoder: Encoder,
        start: Rendering,
        given: Float[Tensor, "n v 3 h w"] | None = None,
        *,
        from_whole: bool = False,
    ) -> Course:
        """From the sources to the targets, by the means over templates.

        Args:
            start: what there is before the first step.
            given: the reference; without, it is the source of each image, or else the start.
            from_whole: crops come from the whole reference, not from the same crop of it.

        Raises:
            InputError: see `Texts.phrases`; target and source mean the same.
        """
        reference = start
        if given is not None:
            reference = Rendering(given.to(start.image))
        elif start.source is not None:
            reference = Rendering(start.source)
        device = reference.image.device
        rows, sources = texts.phrases(len(reference.image))
        wanted = timeline(
            encoder, rows, device, keyframes=texts.keyframes, templates=texts.templates
        )
        now = timeline(encoder, sources, device, templates=texts.templates).at(0.0)
        mean = (now.embeddings[:, 0] * now.weights[..., None]).sum(1)
        alpha = None if reference.alpha is None else reference.alpha.detach().clone()
        kept = Rendering(reference.image.detach().clone(), alpha, cameras=reference.cameras)
        origin = _whole(encoder, kept) if from_whole else None
        source = F.normalize(mean, dim=-1)
        course = cls(encoder, wanted, source, kept, origin, given is None)
        lengths = torch.stack([course._way(progress).norm(dim=-1) for progress in (0.0, 1.0)])
        if bool((lengths.amax(0) < 1e-4).any()):
            raise InputError("Directional: target and source mean the same; there is no direction")
        return course

    def _way(self, progress: float) -> Float[Tensor, "n d"]:
        """From the source to each phrase, by the weights of the phrases."""
        now = self.wanted.at(progress)
        return ((now.embeddings[:, 0] - self.source[:, None]) * now.weights[..., None]).sum(1)

    def deviations(
        self, augment: Augment, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[tuple[Float[Tensor, "s v k"], Crops, Part]]:
        """1 - cosine of the way of each crop and the direction, part by part.

        A crop comes from the same crop of the reference, seen without gradient, or from the whole.
        """
        reference, origin = self.reference, self.origin
        if self.follows and rendering.source is not None:
            reference = Rendering(rendering.source)
            origin = None if origin is None else _whole(self.encoder, reference)
        _check(rendering, reference)
        directions = F.normalize(self._way(context.progress), dim=-1)
        crops = augment.draw(context, rendering, self.encoder.image_size)
        for part in crops.parts(micro_batch):
            if origin is not None:
                before = origin[part.place[:2]]
            else:
                with torch.no_grad():
                    before = embed(self.encoder, augment, reference, crops, part)
            way = embed(self.encoder, augment, rendering, crops, part) - before
            direction = directions[part.samples, None, None].to(way)
            length = (way.square().sum(-1) + SOFT**2).sqrt()
            yield 1 - (way * direction).sum(-1) / length, crops, part


@torch.no_grad()
def _whole(encoder: Encoder, reference: Rendering) -> Float[Tensor, "n v 1 d"]:
    """The embeddings of whole images over white, squeezed to a square, one at a time."""
    n, v = reference.image.shape[:2]
    pictures = reference.over().flatten(0, 1)
    side = (encoder.image_size,) * 2
    vectors = torch.cat(
        [
            encoder.encode_image(
                F.interpolate(picture[None], side, mode="bilinear", antialias=True)
            )
            for picture in pictures
        ]
    )
    vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    return F.normalize(vectors, dim=-1).view(n, v, 1, -1)


def _check(rendering: Rendering, reference: Rendering) -> None:
    """The reference must show what the images show, at the same places."""
    if rendering.image.shape != reference.image.shape:
        raise InputError(
            f"Directional: expected images {list(reference.image.shape)} like the reference, "
            f"got {list(rendering.image.shape)}"
        )
    now, then = rendering.cameras, reference.cameras
    if now is not None and then is not None and not torch.equal(now.view, then.view):
        raise InputError(
            "Directional: the cameras moved since the reference was taken; use fixed views"
        )
