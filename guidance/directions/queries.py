"""What a direction should do: the difference of a target from a source, in an encoder's space."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import embed_phrase
from guidance.errors import InputError
from guidance.prompts import Phrase, Prompt

#: Differences of unit vectors shorter than this are rounding errors.
SAME = 1e-3


def difference(
    encoder: Encoder,
    target: str | Prompt,
    source: str | Prompt,
    center: Float[Tensor, "d"],
) -> Float[Tensor, "d"]:
    """The unit vector from the source to the target, on the CPU.

    The differences of the phrases of the target from the source are summed with their weights. An
    image is compared with `center` instead, since embeddings of images lie apart from those of
    texts.

    Args:
        encoder: a frozen image-text model.
        target: what the images should show.
        source: what they show, a text.
        center: the mean embedding of images of the network.

    Raises:
        InputError: target and source mean the same, a source with an image, or a phrase with a
            stop, which applies only to losses.
    """
    target, source = Prompt.of(target), Prompt.of(source)
    for phrase in (*target.phrases, *source.phrases):
        if phrase.stop > float("-inf"):
            raise InputError(f"prompt {phrase.text!r:.60}: directions take no stops; remove it")
    if any(phrase.image is not None for phrase in source.phrases):
        raise InputError("the source is what the images of the network show; give it as a text")
    origin = F.normalize(sum(_weighted(encoder, phrase) for phrase in source.phrases), dim=0)  # type: ignore[arg-type]
    total = center.new_zeros(len(center))
    for phrase in target.phrases:
        start = origin if phrase.image is None else center
        total = total + phrase.weight(1.0) * (_embedded(encoder, phrase) - start)
    if total.norm() < SAME:
        raise InputError(f"{target} and {source} mean the same to {encoder.name}; change one")
    return F.normalize(total, dim=0)


def _weighted(encoder: Encoder, phrase: Phrase) -> Tensor:
    return phrase.weight(1.0) * _embedded(encoder, phrase)


def _embedded(encoder: Encoder, phrase: Phrase) -> Float[Tensor, "d"]:
    return embed_phrase(encoder, phrase)[0].cpu()
