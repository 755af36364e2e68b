"""Texts that the "logit" distance of `Clip` contrasts a prompt with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import embed_phrase
from guidance.errors import InputError
from guidance.losses.text.targets import EmbeddedPrompts
from guidance.prompts import Phrase

#: A caption with a greater cosine to a phrase is a paraphrase of it and not used as a distractor.
#: Chosen by judgment: pushing "an apple" away from "apple" would optimize a difference that only
#: the encoder can see.
SAME_MEANING = 0.95


@dataclass(frozen=True)
class Distractors:
    """`o` texts to contrast phrases with: the negatives, then captions of weight 1."""

    embeddings: Float[Tensor, "o d"]
    negatives: tuple[Phrase, ...]
    mask: Float[Tensor, "n m o"]  # added to the logits: 0, or -inf for a paraphrase of the phrase

    def log_weights(self, progress: float) -> Float[Tensor, "n m o"]:
        """The logarithm of each weight, -inf where masked; a weight of 0 becomes 1e-12."""
        if not self.negatives:
            return self.mask
        weights = self.mask.new_ones(self.mask.shape[-1])
        for index, phrase in enumerate(self.negatives):
            weights[index] = max(phrase.weight(progress), 1e-12)
        return self.mask + weights.log()


def find_distractors(
    encoder: Encoder,
    prompts: EmbeddedPrompts,
    negatives: Sequence[Phrase],
    templates: Sequence[str] | None = None,
) -> Distractors:
    """The negatives, and the encoder's everyday captions that are not paraphrases of a phrase.

    A caption is masked if it is a paraphrase of a phrase at any keyframe. Encoders trained with a
    sigmoid loss use the negatives only.

    Raises:
        InputError: an encoder trained with softmax for which no distractor remains.
    """
    captions = list(encoder.alternatives) if encoder.logit_bias is None else []
    if not captions and not negatives and encoder.logit_bias is None:
        raise InputError(
            f'kind "logit": {encoder.name} has no captions to contrast a prompt with; '
            "give negatives, or use cosine"
        )
    phrases = prompts.embeddings
    vectors = [embed_phrase(encoder, phrase, templates) for phrase in negatives]
    if captions:
        vectors.append(F.normalize(encoder.encode_text(captions).float(), dim=-1))
    embeddings = (
        torch.cat(vectors).to(phrases) if vectors else phrases.new_zeros(0, phrases.shape[-1])
    )
    same = (phrases[:, :, 0] @ embeddings.T > SAME_MEANING).any(0)
    same[..., : len(negatives)] = False
    if bool(same.all(-1).any()) and encoder.logit_bias is None:
        raise InputError(
            'kind "logit": every caption to contrast a prompt with has the same meaning as the '
            "prompt; give negatives, or use cosine"
        )
    mask = torch.zeros_like(same, dtype=phrases.dtype).masked_fill(same, -torch.inf)
    return Distractors(embeddings, tuple(negatives), mask)
