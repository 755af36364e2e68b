"""The vectors of queries; see `guidance.search.queries`."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.losses.text.arguments import subtracted
from guidance.losses.text.embeddings import embed_prompts
from guidance.prompts import Phrase
from guidance.search.queries import Query

CPU = torch.device("cpu")


def query_vector(encoder: Encoder, query: Query) -> Float[Tensor, "d"]:
    """The sum of the embedded phrases of prompt and negatives, times their weights."""
    return weighted(encoder, (*query.prompt.phrases, *subtracted(query.negatives)), query)


def weighted(encoder: Encoder, phrases: tuple[Phrase, ...], query: Query) -> Float[Tensor, "d"]:
    """The sum of unit vectors of phrases, times their weights, in float32 on the CPU."""
    targets = embed_prompts(encoder, [phrases], CPU, templates=query.templates).at(0.0)
    return (targets.weights[0].float() @ targets.embeddings[0, 0].float()).detach()
