"""Checks the strongest channels by finite steps, and drops those that disagree with gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.directions.direction import StyleDirection
from guidance.directions.effects import Progress
from guidance.directions.instant import Sentence, instant_table
from guidance.directions.keeping import Choice
from guidance.directions.samples import sample_ws
from guidance.directions.suffix import Stepped, channels_of
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.stylegan.networks.network import StyleGAN

#: How many channels are verified, with how many latents, by steps of how many deviations.
CANDIDATES, LATENTS, STEP = 64, 8, 3.0
#: Measured and predicted effects agree if their cosine is at least this, and if their ratio is in
#: this range, relative to the median ratio: effects saturate.
COSINE, LEAST, MOST = 0.2, 0.2, 5.0


@dataclass(frozen=True)
class Verified:
    """A table in which the verified channels have measured effects, and all others have none."""

    table: Float[Tensor, "c r"]
    checked: int  # channels that were re-synthesized
    dropped: int  # of these, those that disagreed
    renders: int


@dataclass(frozen=True)
class Predicted:
    """What a table predicts, and in which directions: the columns of a basis."""

    table: Float[Tensor, "c r"]  # of one standard deviation of each channel
    basis: Float[Tensor, "d r"]

    def verified(
        self,
        network: StyleGAN,
        encoder: Encoder,
        first: StyleDirection,
        *,
        latents: int = LATENTS,
        seed: int = 1,
        progress: Progress | None = None,
    ) -> Verified:
        """Measures the channels of a direction by finite steps in the way in which they move.

        Gradients are local: a channel may saturate, or do something else after a larger step. Only
        the layers from the channel's on are computed.

        Args:
            network: frozen.
            encoder: that of the table.
            first: its channels are verified; give few, e.g. by `thresholded`.
            latents: over how many random images effects are averaged.
            seed: of the latents.
            progress: called with the number of channels so far and of all.

        Raises:
            InputError: the direction belongs to another network, or no channel is left.
        """
        first.check(network)
        ws, everything = sample_ws(network, latents, seed), list(channels_of(first.stds))
        chosen = first.flat.nonzero()[:, 0]
        channels = [everything[index] for index in chosen.tolist()]
        stepped = Stepped(network, encoder, ws, sorted({channel.layer for channel in channels}))
        rows = []
        for number, (index, channel) in enumerate(zip(chosen, channels, strict=True), start=1):
            step = STEP * float(first.flat[index].sign())
            change = stepped.moved(channel, step) - stepped.embeddings
            rows.append(change.mean(dim=0).cpu() / step @ self.basis)
            if progress is not None:
                progress(number, len(channels))
        measured = torch.stack(rows) if rows else self.table[:0]
        agree = agreeing(self.table[chosen], measured)
        if not agree.any():
            raise InputError(
                f"{first.text}: no channel of {len(channels)} has the predicted effect; use other "
                "words, or more latents"
            )
        table = torch.zeros_like(self.table)
        table[chosen[agree]] = measured[agree]
        return Verified(table, len(channels), int((~agree).sum()), stepped.renders)


def agreeing(predicted: Float[Tensor, "k r"], measured: Float[Tensor, "k r"]) -> Bool[Tensor, "k"]:
    """Which effects have about the direction and the size of those predicted."""
    cosine = F.cosine_similarity(predicted, measured, dim=1, eps=1e-20)
    ratio = measured.norm(dim=1) / predicted.norm(dim=1).clamp_min(1e-20)
    alike = cosine >= COSINE
    if not alike.any():
        return alike
    relative = ratio / ratio[alike].median()
    agree: Tensor = alike & (relative >= LEAST) & (relative <= MOST)
    return agree


def verified_direction(
    network: StyleGAN,
    sentence: Sentence,
    choice: Choice = Choice(),  # noqa: B008  (frozen)
    encoder: str | Encoder = "mini-people",
    *,
    gradients: int = 16,
    candidates: int = CANDIDATES,
    latents: int = 4,
    progress: Progress | None = None,
) -> tuple[StyleDirection, Verified]:
    """The direction of one sentence without a dictionary: gradients, then finite steps.

    Args:
        network: frozen.
        sentence: see `Sentence`.
        choice: how many of the channels are kept.
        encoder: a name or an Encoder.
        gradients: over how many random images gradients are averaged.
        candidates: how many channels are measured.
        latents: over how many random images finite steps are averaged.
        progress: called with the number of channels so far and of all.

    Raises:
        InputError: a prompt that cannot be used, or no channel is left.
    """
    encoder = load_encoder(encoder, network.device)
    found = instant_table(network, sentence, encoder, latents=gradients)
    first = found.direction(network, sentence, Choice(count=candidates))
    verified = Predicted(found.table, found.columns).verified(
        network, encoder, first, latents=latents, progress=progress
    )
    measured = found.with_table(verified.table)
    return measured.direction(network, sentence, choice), verified
