"""Embeds the prompts of all samples with one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import embed_phrase
from guidance.losses.text.targets import EmbeddedPrompts
from guidance.losses.text.views import view_suffixes
from guidance.prompts import ONE, Keyframe, Phrase

#: Fills up the prompts of samples that have fewer phrases than others.
PADDING = Phrase("", replace(ONE, values=(0.0,)))


def padded(rows: Sequence[Sequence[Phrase]]) -> tuple[tuple[Phrase, ...], ...]:
    """The phrases of each sample, all of one length."""
    m = max((len(row) for row in rows), default=0)
    return tuple((*row, *[PADDING] * (m - len(row))) for row in rows)


def embed_prompts(
    encoder: Encoder,
    phrases: Sequence[Sequence[Phrase]],
    device: torch.device,
    *,
    keyframes: Sequence[Keyframe] = (),
    templates: Sequence[str] | None = None,
    view_prompts: bool = False,
) -> EmbeddedPrompts:
    """Embeds the phrases of each sample, and their keyframes, without gradient.

    Args:
        encoder: a frozen image-text model; each distinct phrase is encoded once.
        phrases: those of each of `n` samples.
        device: of the result.
        keyframes: what the first phrase of each sample changes into.
        templates: wordings of each phrase; by default those of the encoder.
        view_prompts: embeds each phrase with each of `VIEW_PROMPTS`.
    """
    rows = padded(phrases)
    frames = [rows, *(tuple(_at_keyframe(row, frame) for row in rows) for frame in keyframes)]
    suffixes = view_suffixes(view_prompts)
    distinct = dict.fromkeys(phrase for frame in frames for row in frame for phrase in row)
    embedded = {
        phrase: embed_phrase(encoder, phrase, templates, suffixes)
        for phrase in distinct
        if phrase != PADDING
    }
    embedded[PADDING] = torch.zeros_like(next(iter(embedded.values())))

    def stacked(frame: Sequence[Sequence[Phrase]]) -> Tensor:
        return torch.stack([torch.stack([embedded[phrase] for phrase in row], 1) for row in frame])

    times = (0.0, *(frame.progress for frame in keyframes))
    embeddings = torch.stack([stacked(frame) for frame in frames])
    return EmbeddedPrompts(rows, times, embeddings.to(device))


def _at_keyframe(row: Sequence[Phrase], frame: Keyframe) -> tuple[Phrase, ...]:
    """The phrases with the first one replaced by the keyframe's; its weight and stop remain."""
    return (replace(row[0], text=frame.phrase.text, image=frame.phrase.image), *row[1:])
