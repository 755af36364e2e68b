"""What the "logit" kind of Clip contrasts phrases with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.embeddings import embed_phrase
from guidance.losses.text.timeline import Timeline
from guidance.prompts import Phrase

#: A caption closer to a phrase than this is the phrase in other words, no rival. A judgement, not a
#: measurement: pushing "an apple" away from "apple" asks for what only an encoder can tell apart.
SAME_MEANING = 0.95


@dataclass(frozen=True)
class Distractors:
    """What phrases are to win against: negatives, then captions of weight 1."""

    embeddings: Float[Tensor, "o d"]
    negatives: tuple[Phrase, ...]
    handicap: Float[Tensor, "n m o"]  # 0, or -inf for a caption that means the phrase itself

    def log_weights(self, progress: float) -> Float[Tensor, "n m o"]:
        """The logarithm of the weight of each; a weight of 0 is taken as very small."""
        weights = self.handicap.new_ones(self.handicap.shape[-1])
        for index, phrase in enumerate(self.negatives):
            weights[index] = max(phrase.weight(progress), 1e-12)
        return self.handicap + weights.log()


def distractors(
    encoder: Encoder,
    wanted: Timeline,
    negatives: Sequence[Phrase],
    templates: Sequence[str] | None = None,
) -> Distractors:
    """What the phrases are to win against: negatives and everyday captions.

    Captions that mean the phrase itself at any station are left out. Encoders trained with a
    sigmoid need no distractors: for them there are the negatives alone.
    """
    captions = list(encoder.alternatives) if encoder.logit_bias is None else []
    if not captions and not negatives and encoder.logit_bias is None:
        raise InputError(
            f'kind "logit": {encoder.name} brings no captions to contrast a prompt with; '
            "give negatives, or use cosine"
        )
    like = wanted.embeddings
    vectors = [embed_phrase(encoder, phrase, ("",), templates) for phrase in negatives]
    if captions:
        vectors.append(F.normalize(encoder.encode_text(captions).float(), dim=-1))
    others = torch.cat(vectors).to(like) if vectors else like.new_zeros(0, like.shape[-1])
    same = (like[:, :, 0] @ others.T > SAME_MEANING).any(0)
    same[..., : len(negatives)] = False
    if bool(same.all(-1).any()) and encoder.logit_bias is None:
        raise InputError('kind "logit": every caption to contrast a prompt with means the same')
    handicap = torch.zeros_like(same, dtype=like.dtype).masked_fill(same, -torch.inf)
    return Distractors(others, tuple(negatives), handicap)
