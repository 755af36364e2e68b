"""How far images are from words, by frozen image-text models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.augment import Augment, Part
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.crops import embed, frozen, sample_means
from guidance.losses.text.distractors import Distractors, distractors
from guidance.losses.text.embeddings import (
    broadcast_prompts,
    negative_phrases,
    pushing_away,
    timeline,
)
from guidance.losses.text.regions import Window, windows
from guidance.losses.text.timeline import Targets, Timeline
from guidance.losses.text.views import view_indices
from guidance.prompts import (
    Phrase,
    check_templates,
    parse_keyframes,
    parse_prompt,
    parse_region,
)
from guidance.types import Loss, Rendering, StepContext
from guidance.views import Cameras

KINDS = ("cosine", "spherical", "logit")


@dataclass(frozen=True)
class _Tower:
    """One encoder with what it makes of the prompts, or of the phrases of one region."""

    encoder: Encoder
    timeline: Timeline  # negatives included, with weights below 0
    asked: Bool[Tensor, "n m"]  # which phrases are no negatives
    distractors: Distractors | None  # only for "logit"
    window: Window | None = None  # of the region

    def look(self, rendering: Rendering) -> Rendering:
        """What it sees: everything, or what lies in its region."""
        return rendering if self.window is None else self.window.cut(rendering)

    def at(self, progress: float) -> _Now:
        """What counts at a progress in [0, 1]."""
        log_weights = None if self.distractors is None else self.distractors.log_weights(progress)
        return _Now(self.timeline.at(progress), log_weights)


@dataclass(frozen=True)
class _Now:
    """What changes over a run, as it is in one step."""

    targets: Targets
    log_weights: Float[Tensor, "n m o"] | None  # of the distractors


class Clip(Loss):
    """Distance of crops from the phrases of each sample's prompt, averaged over crops and views.

    For each phrase of unit embedding b and crops of unit embedding a, with `weight * distance`
    summed over the phrases:

    * cosine:    1 - a.b
    * spherical: 2 arcsin^2(|a - b| / 2) (VQGAN-CLIP, Crowson et al. 2022): the same optimum,
      another scale of the gradient
    * logit:     -log softmax(s a.b) of the phrase among it, the negatives and everyday captions,
      with the encoder's own scale s. For encoders trained with a sigmoid (SigLIP), whose gradient
      vanishes as the probability nears 1, the logit itself: -(s a.b + bias); and
      log(1 + exp(s a.b + bias)) for negatives, which is -log(1 - p).

    Differentiable in image and alpha; encoders and embeddings are frozen. A phrase whose own
    distance on a crop is below its stop sends no gradient there.

    Args:
        prompt: in the grammar of `guidance.prompts`; one for all samples, or one a sample.
        encoder: a name, an Encoder, or several, whose losses are added.
        kind: see above; or several with their weights, e.g. {"cosine": 1, "logit": 0.1}, which
            look at the same crops and so cost one pass of the encoder together.
        negative: phrases to push away from, for all samples. In cosine and spherical they are
            subtracted with 0.3 of their weight; in logit they compete with the prompt.
        augment: how crops are made; None shows each view once, as it is.
        view_prompts: adds "front view", "side view" ... by the cameras, for rendered objects.
        at: keyframes such as "50% a green apple", for all samples: the embedding of the first
            phrase runs along great circles from the prompt's at progress 0 to theirs.
        region: such as `sky.png="a blue sky"`, for all samples: phrases that see only what lies
            in the white of a mask, on changing backgrounds, beside the whole image that the
            prompt and the negatives see; with "logit" they compete with the negatives too.
        templates: wordings of each phrase in place of the encoder's own, each with {} for it.

    Raises:
        InputError: an unknown kind; another number of prompts than samples; `view_prompts` with
            images that have no cameras, regions with images that have; keyframes, regions or
            templates that cannot be read.
    """

    def __init__(
        self,
        prompt: str | Sequence[str],
        *,
        encoder: str | Encoder | Sequence[str | Encoder] = "mini",
        kind: str | Mapping[str, float] = "cosine",
        negative: Sequence[str] = (),
        augment: Augment | None = Augment(),  # noqa: B008  (frozen)
        view_prompts: bool = False,
        at: Sequence[str] = (),
        region: Sequence[str] = (),
        templates: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.kinds = {kind: 1.0} if isinstance(kind, str) else dict(kind)
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise InputError(f"Clip: kind {kind!r} is unknown; use {', '.join(KINDS)}")
        self.prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
        self.phrases = tuple(parse_prompt(text) for text in self.prompts)
        self.negatives = negative_phrases(negative)
        self.keyframes = parse_keyframes((at,) if isinstance(at, str) else at)
        self.regions = tuple(
            parse_region(text) for text in ((region,) if isinstance(region, str) else region)
        )
        self.templates = None if templates is None else check_templates(templates)
        self.view_prompts = view_prompts
        self.augment = augment or Augment.plain()
        self.encoders = (encoder,) if isinstance(encoder, str | Encoder) else tuple(encoder)
        self._towers: tuple[_Tower, ...] = ()

    def prepare(self, start: Rendering) -> None:
        """Loads the encoders, and encodes the prompts of all samples once."""
        device = start.image.device
        prompts = broadcast_prompts(self.prompts, len(start.image))
        phrases = [parse_prompt(prompt) for prompt in prompts]
        regions = list(zip(self.regions, windows(self.regions, start), strict=True))
        towers = []
        for encoder in frozen(self.encoders, device):
            towers.append(self._tower(encoder, phrases, device))
            for region, view in regions:
                rows = [region.phrases] * len(phrases)
                towers.append(self._region_tower(encoder, rows, view))
        self._towers = tuple(towers)

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops, encoder after encoder."""
        n = rendering.image.shape[0]
        if not self._towers:
            self.prepare(rendering)
        prepared = len(self._towers[0].timeline.phrases)
        if prepared != n:
            raise InputError(f"Clip was prepared for {prepared} samples, got images of {n}")
        views = self._views(rendering.cameras)
        for tower in self._towers:
            now = tower.at(context.progress)
            wanted = now.targets.by_view(views).expand(-1, rendering.image.shape[1], -1, -1)
            crops = self.augment.draw(context, tower.look(rendering), tower.encoder.image_size)
            for part in crops.parts(micro_batch):
                # View anew for each part, whose backward frees all of its graph.
                seen = embed(tower.encoder, self.augment, tower.look(rendering), crops, part)
                distance = self._distance(tower, now, part, seen, wanted[part.place[:2]].to(seen))
                yield sample_means(distance, crops, part)

    def _distance(
        self,
        tower: _Tower,
        now: _Now,
        part: Part,
        seen: Float[Tensor, "s v k d"],
        wanted: Float[Tensor, "s v m d"],
    ) -> Float[Tensor, "s v k"]:
        """The weighted distances of one part's crops from their sample's phrases."""
        cosine = seen @ wanted.mT
        stops, weights, asked = (
            numbers[part.samples, None, None].to(seen)
            for numbers in (now.targets.stops, now.targets.weights, tower.asked)
        )
        total = torch.zeros_like(cosine[..., 0])
        for kind, share in self.kinds.items():
            against: Float[Tensor, "s v k"] | float = 0.0
            if kind == "cosine":
                distance = 1 - cosine
            elif kind == "spherical":
                distance = _spherical(cosine)
            else:
                distance, against = _logit(tower, now, part, seen, cosine)
            distance = torch.where(distance < stops, distance.detach(), distance)
            counted = weights * asked if kind == "logit" else weights
            summed = (counted * distance).sum(-1)
            total = total + share * (summed + against)
        return total

    def _tower(
        self, encoder: Encoder, phrases: list[tuple[Phrase, ...]], device: torch.device
    ) -> _Tower:
        away = pushing_away(self.negatives)
        wanted = timeline(
            encoder,
            [row + away for row in phrases],
            device,
            keyframes=self.keyframes,
            templates=self.templates,
            view_prompts=self.view_prompts,
        )
        lengths = torch.tensor([[len(row)] for row in phrases], device=device)
        asked = torch.arange(wanted.embeddings.shape[3], device=device) < lengths
        return _Tower(encoder, wanted, asked, self._distractors(encoder, wanted, self.negatives))

    def _region_tower(
        self, encoder: Encoder, phrases: list[tuple[Phrase, ...]], window: Window
    ) -> _Tower:
        wanted = timeline(encoder, phrases, window.inside.device, templates=self.templates)
        asked = torch.ones_like(wanted.embeddings[0, :, 0, :, 0], dtype=torch.bool)
        # A sigmoid's negatives are a sum of their own, which the whole image has already.
        negatives = self.negatives if encoder.logit_bias is None else ()
        return _Tower(encoder, wanted, asked, self._distractors(encoder, wanted, negatives), window)

    def _distractors(
        self, encoder: Encoder, wanted: Timeline, negatives: Sequence[Phrase]
    ) -> Distractors | None:
        if "logit" not in self.kinds:
            return None
        return distractors(encoder, wanted, negatives, self.templates)

    def _views(self, cameras: Cameras | None) -> Int[Tensor, "n v"] | None:
        if not self.view_prompts:
            return None
        if cameras is None:
            raise InputError(
                "Clip: view_prompts=True needs images with cameras, as mesh generators give; "
                "these have none, leave it out"
            )
        return view_indices(cameras)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: Sequence[str]) -> Clip:
        """A small instance for the contract tests."""
        return cls(prompts, encoder=encoder, augment=Augment(crops=6, scale=(0.7, 1.3)))


def _spherical(cosine: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """2 arcsin^2(|a - b| / 2), with |a - b|^2 = 2 - 2 cos.

    Kept off 0 and 1, where the slopes of the root and of arcsin are infinite.
    """
    half_chord = ((1 - cosine) / 2).clamp(1e-10, 1 - 1e-6).sqrt()
    return 2 * half_chord.arcsin().square()


def _logit(
    tower: _Tower,
    now: _Now,
    part: Part,
    seen: Float[Tensor, "s v k d"],
    cosine: Float[Tensor, "s v k m"],
) -> tuple[Float[Tensor, "s v k m"], Float[Tensor, "s v k"] | float]:
    """The distance from each phrase, and what the negatives of a sigmoid encoder add."""
    assert tower.distractors is not None and now.log_weights is not None
    scale, bias = tower.encoder.logit_scale, tower.encoder.logit_bias
    logits = scale * (seen @ tower.distractors.embeddings.to(seen).mT)
    log_weights = now.log_weights[part.samples, None, None].to(seen)
    if bias is None:
        others = (logits.unsqueeze(-2) + log_weights).logsumexp(-1)
        return F.softplus(others - scale * cosine), 0.0
    against = (F.softplus(logits + bias) * log_weights[..., 0, :].exp()).sum(-1)
    return -(scale * cosine + bias), against
