"""Prompt phrases as embeddings that images are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.timeline import Timeline
from guidance.losses.text.views import VIEW_PROMPTS
from guidance.media.load import load_image
from guidance.prompts import ONE, Keyframe, Phrase, parse_prompt

#: How strongly a negative prompt of weight 1 pushes, in shares of the prompt's own pull.
#: Source: Direct Ascent Synthesis (Fort 2025) weighs its negatives by 0.3.
NEGATIVE_WEIGHT = 0.3


def broadcast_prompts(prompt: str | Sequence[str], num_samples: int) -> tuple[str, ...]:
    """One prompt for each sample; a single one is shared by all."""
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if len(prompts) == 1:
        return prompts * num_samples
    if len(prompts) != num_samples:
        raise InputError(
            f"{len(prompts)} prompts for {num_samples} samples: give one prompt, or one a sample"
        )
    return prompts


def timeline(
    encoder: Encoder,
    phrases: Sequence[Sequence[Phrase]],
    device: torch.device,
    *,
    keyframes: Sequence[Keyframe] = (),
    templates: Sequence[str] | None = None,
    view_prompts: bool = False,
) -> Timeline:
    """Encodes the phrases of each sample, and what their first ones turn into, without gradient.

    Args:
        templates: in place of the encoder's own.
        view_prompts: makes a wording for each of VIEW_PROMPTS.
    """
    m = max(len(row) for row in phrases)
    padding = Phrase("", replace(ONE, values=(0.0,)))
    rows = [(*row, *[padding] * (m - len(row))) for row in phrases]
    stations = [rows, *([_turned(row, frame) for row in rows] for frame in keyframes)]
    endings = tuple(f", {words}" for words in VIEW_PROMPTS) if view_prompts else ("",)
    wanted = dict.fromkeys(phrase for station in stations for row in station for phrase in row)
    known = {
        phrase: embed_phrase(encoder, phrase, endings, templates)
        for phrase in wanted
        if phrase != padding
    }
    known[padding] = torch.zeros_like(next(iter(known.values())))
    embeddings = torch.stack(
        [
            torch.stack([torch.stack([known[phrase] for phrase in row], 1) for row in station])
            for station in stations
        ]
    )
    places = (0.0, *(frame.progress for frame in keyframes))
    return Timeline(tuple(rows), places, embeddings.to(device))


def _turned(row: Sequence[Phrase], frame: Keyframe) -> tuple[Phrase, ...]:
    """The phrases when the first has turned into that of the keyframe; its numbers stay."""
    return (replace(row[0], text=frame.phrase.text, image=frame.phrase.image), *row[1:])


def negative_phrases(negatives: str | Sequence[str]) -> tuple[Phrase, ...]:
    """The phrases of negative prompts, with weights above 0: how much each is not wanted."""
    prompts = (negatives,) if isinstance(negatives, str) else negatives
    phrases = tuple(phrase for prompt in prompts for phrase in parse_prompt(prompt))
    for phrase in phrases:
        values = phrase.weight.values
        if min(values) < 0 or max(values) == 0:
            raise InputError(
                f"negative {phrase.text!r}: expected a weight above 0, got {min(values):g}; "
                "a negative already pushes away"
            )
    return phrases


def pushing_away(phrases: Sequence[Phrase]) -> tuple[Phrase, ...]:
    """Negatives as phrases of a signed sum."""
    return tuple(
        replace(
            phrase,
            weight=replace(
                phrase.weight,
                values=tuple(-NEGATIVE_WEIGHT * value for value in phrase.weight.values),
            ),
        )
        for phrase in phrases
    )


def text_embedding(
    encoder: Encoder, text: str, templates: Sequence[str] | None = None
) -> Float[Tensor, "d"]:
    """The mean over templates, by default the encoder's own, as a unit vector.

    Source: Radford et al. 2021, section 3.1.4.
    """
    wordings = [
        template.replace("{}", text) for template in templates or encoder.templates or ("{}",)
    ]
    return F.normalize(encoder.encode_text(wordings).float().mean(0), dim=0)


def embed_phrase(
    encoder: Encoder,
    phrase: Phrase,
    endings: tuple[str, ...],
    templates: Sequence[str] | None,
) -> Float[Tensor, "r d"]:
    """A phrase with each ending, without gradient; an image has no endings, so all are alike."""
    if phrase.image is None:
        texts = [phrase.text + end for end in endings]
        return torch.stack([text_embedding(encoder, text, templates) for text in texts])
    with torch.no_grad():
        picture = load_image(phrase.image)
        device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
        embedding = encoder.encode_image(picture.unsqueeze(0).to(device))
    return embedding.float().expand(len(endings), -1)
