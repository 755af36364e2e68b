"""Composition: the motion of a sentence, from motions of a bank."""

from __future__ import annotations

from guidance.encoders.base import Encoder
from guidance.motion.bank import Bank, load_bank
from guidance.motion.motion import Motion
from guidance.motion.retrieve import retrieve


def compose(
    prompt: str, bank: Bank | None = None, *, encoder: Encoder | None = None, seed: int = 0
) -> Motion:
    """The motion that a prompt describes."""
    bank = bank or load_bank()
    return bank.clips[retrieve(prompt, bank, encoder=encoder, seed=seed, count=1)[0].name]
