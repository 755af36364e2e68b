"""Embeddings of texts and of prompt phrases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.sound.mel import RATE
from guidance.media.read_image import load_image
from guidance.media.read_sound import load_sound
from guidance.prompts import AUDIO, Phrase

#: Phrases for the two sides of an object; {} stands for the phrase of the object.
FRONT, BACK = "front view of {}", "back view of {}"


def device_of(encoder: Encoder) -> torch.device:
    """The device of an encoder's weights; the CPU for an encoder without weights."""
    return next((p.device for p in encoder.parameters()), torch.device("cpu"))


def embed_text(
    encoder: Encoder, text: str, templates: Sequence[str] | None = None
) -> Float[Tensor, "d"]:
    """The unit vector of a text: the normalized mean of its embeddings over templates.

    Args:
        encoder: a frozen image-text model.
        text: plain text.
        templates: wordings in which {} stands for the text; by default those of the encoder.

    Source: prompt ensembling, Radford et al. 2021 (arXiv 2103.00020), section 3.1.4.
    """
    wordings = [
        template.replace("{}", text) for template in templates or encoder.templates or ("{}",)
    ]
    return F.normalize(encoder.encode_text(wordings).float().mean(0), dim=0)


def is_sound(phrase: Phrase) -> bool:
    """Whether the file of a phrase is a sound."""
    return phrase.text.startswith(AUDIO)


def embed_phrase(
    encoder: Encoder,
    phrase: Phrase,
    templates: Sequence[str] | None = None,
    suffixes: Sequence[str] = ("",),
) -> Float[Tensor, "r d"]:
    """Unit vectors of a phrase with each of `r` suffixes, without gradient.

    Args:
        encoder: a frozen image-text model.
        phrase: a text, an image or a sound. Suffixes apply to texts only; the `r` rows of others
            are equal.
        templates: see `embed_text`.
        suffixes: texts to append to the phrase, e.g. ", front view".

    Raises:
        InputError: a file that cannot be read, or a sound for an encoder that reads none.
    """
    if phrase.image is None:
        texts = [phrase.text + suffix for suffix in suffixes]
        return torch.stack([embed_text(encoder, text, templates) for text in texts])
    if is_sound(phrase):
        sound = load_sound(phrase.image, RATE)
        return encoder.encode_sound([sound]).float().expand(len(suffixes), -1)
    with torch.no_grad():
        image = load_image(phrase.image)
        embedding = encoder.encode_image(image.unsqueeze(0).to(device_of(encoder)))
    return embedding.float().expand(len(suffixes), -1)
