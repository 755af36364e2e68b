"""Distances of image embeddings from the phrases of each sample, in the space of one encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.augment import Part
from guidance.encoders.base import Encoder
from guidance.losses.images.regions import MaskedSquare
from guidance.losses.text.distractors import Distractors
from guidance.losses.text.targets import EmbeddedPrompts, Targets
from guidance.outputs import Images

#: The distances; see `guidance.losses.clip.Clip`.
KINDS = ("cosine", "spherical", "logit")


@dataclass(frozen=True)
class Comparison:
    """Whole images with their prompts, or one region with its phrases, for one encoder."""

    encoder: Encoder
    prompts: EmbeddedPrompts  # including the negatives, with weights below 0
    positive: Bool[Tensor, "n m"]  # False for negatives
    distractors: Distractors | None  # for "logit" only
    mask: MaskedSquare | None = None  # of the region

    def view(self, rendering: Images) -> Images:
        """What the encoder sees: the whole images, or the inside of the mask."""
        return rendering if self.mask is None else self.mask.cut(rendering)

    def at(self, progress: float) -> StepComparison:
        """Targets and weights at a progress in [0, 1]."""
        log_weights = None if self.distractors is None else self.distractors.log_weights(progress)
        return StepComparison(self, self.prompts.at(progress), log_weights)


@dataclass(frozen=True)
class StepComparison:
    """A comparison with its targets and weights at one step."""

    comparison: Comparison
    targets: Targets
    log_weights: Float[Tensor, "n m o"] | None  # of the distractors

    def distance(
        self,
        kinds: Mapping[str, float],
        part: Part,
        seen: Float[Tensor, "s v k d"],
        target: Float[Tensor, "s v m d"],
    ) -> Float[Tensor, "s v k"]:
        """The weighted sum of distances of each crop from the phrases of its sample.

        Args:
            kinds: weights by the name of the distance.
            part: the place of these crops among those of the step.
            seen: unit embeddings of the crops.
            target: unit embeddings of the phrases.
        """
        cosine = seen @ target.mT
        weights = self.targets.weights[part.samples, None, None].to(seen)
        terms = []
        for kind, share in kinds.items():
            factors, of_negatives = share * weights, None
            if kind == "cosine":
                distance = 1 - cosine
            elif kind == "spherical":
                distance = _spherical(cosine)
            else:
                distance, of_negatives = self._logit(part, seen, cosine)
                # Negatives are distractors and no terms of the sum.
                factors = factors * self.comparison.positive[part.samples, None, None]
            if self.targets.stops is not None:
                stops = self.targets.stops[part.samples, None, None]
                distance = torch.where(distance < stops, distance.detach(), distance)
            terms.append((factors * distance).sum(-1))
            if of_negatives is not None:
                terms.append(share * of_negatives)
        return sum(terms[1:], terms[0])

    def _logit(
        self, part: Part, seen: Float[Tensor, "s v k d"], cosine: Float[Tensor, "s v k m"]
    ) -> tuple[Float[Tensor, "s v k m"], Float[Tensor, "s v k"] | None]:
        """The distance from each phrase, and the term of the negatives of a sigmoid encoder."""
        encoder, distractors = self.comparison.encoder, self.comparison.distractors
        assert distractors is not None and self.log_weights is not None
        scale, bias = encoder.logit_scale, encoder.logit_bias
        logits = scale * (seen @ distractors.embeddings.to(seen).mT)
        log_weights = self.log_weights[part.samples, None, None].to(seen)
        if bias is None:
            others = (logits.unsqueeze(-2) + log_weights).logsumexp(-1)
            return F.softplus(others - scale * cosine), None
        of_negatives = (F.softplus(logits + bias) * log_weights[..., 0, :].exp()).sum(-1)
        return -(scale * cosine + bias), of_negatives


def _spherical(cosine: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """2 arcsin^2(|a - b| / 2), with |a - b|^2 = 2 - 2 cos.

    Clamped away from 0 and 1, where the derivatives of the root and of arcsin are infinite.
    """
    half_chord = ((1 - cosine) / 2).clamp(1e-10, 1 - 1e-6).sqrt()
    return 2 * half_chord.arcsin().square()
