"""Checks the strongest channels of a direction by finite steps, and drops those that disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.direction import StyleDirection
from guidance.directions.effects import Progress
from guidance.directions.instant import Sentence, center_of
from guidance.directions.keeping import Choice
from guidance.directions.samples import sample_ws
from guidance.directions.suffix import Channel, Stepped, channels_of
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.stylegan.networks.network import StyleGAN

#: How many channels are verified, with how many latents, by steps of how many deviations.
CANDIDATES, LATENTS, STEP = 64, 8, 3.0
#: Measured and predicted effects agree if their ratio is in this range: effects saturate.
LEAST, MOST = 0.2, 5.0


@dataclass(frozen=True)
class Verified:
    """What was measured."""

    direction: StyleDirection
    checked: int  # channels that were re-synthesized
    dropped: int  # of these, those that disagreed
    renders: int


def verified_direction(
    network: StyleGAN,
    first: StyleDirection,
    sentence: Sentence,
    choice: Choice = Choice(),  # noqa: B008  (frozen)
    encoder: str | Encoder = "mini",
    *,
    candidates: int = CANDIDATES,
    latents: int = LATENTS,
    seed: int = 1,
    progress: Progress | None = None,
) -> Verified:
    """Measures the strongest channels by finite steps in the direction in which they would move.

    Gradients are local: a channel may saturate, or change something else after a larger step. The
    channels whose measured effect has another sign than predicted, or another size, are dropped;
    the others get their measured effects. Only the layers from the channel's on are computed.

    Args:
        network: frozen.
        first: a direction with at least the candidates, e.g. of the dictionary with `beta=0`; its
            steps are proportional to predicted effects.
        sentence: the same words as those of the first direction.
        choice: how many of the channels are kept, and what they may change.
        encoder: a name or an Encoder.
        candidates: how many channels are measured.
        latents: over how many random images effects are averaged.
        seed: of the latents.
        progress: called with the number of channels so far and of all.

    Raises:
        InputError: the direction belongs to another network, or no channel is left.
    """
    first.check(network)
    encoder = load_encoder(encoder, network.device)
    ws = sample_ws(network, latents, seed)
    columns = sentence.differences(encoder, center_of(network, encoder, ws, sentence))
    predicted = first.flat
    everything = list(channels_of(first.stds))
    strongest = predicted.abs().topk(min(candidates, first.count)).indices.sort().values
    chosen = [everything[index] for index in strongest.tolist()]
    stepped = Stepped(network, encoder, ws, sorted({channel.layer for channel in chosen}))
    effects = _measured(stepped, chosen, predicted[strongest].sign(), progress)
    agrees = _agrees(predicted[strongest], effects @ columns[:, 0])
    if not agrees.any():
        raise InputError(
            f"{sentence.text}: no channel of {len(chosen)} has the predicted effect; use other "
            "words, or more latents"
        )
    steps = torch.zeros_like(predicted)
    steps[strongest[agrees]] = choice.steps(effects[agrees], columns[:, 0], columns[:, 1:])
    direction = replace(first.with_flat(steps).normalized(), text=sentence.text)
    dropped = int((~agrees).sum())
    return Verified(direction, len(chosen), dropped, stepped.renders)


def _measured(
    stepped: Stepped, chosen: Sequence[Channel], signs: Tensor, progress: Progress | None
) -> Float[Tensor, "k d"]:
    """The mean change of embeddings by one deviation of each channel, from a larger step."""
    found = []
    for number, (channel, sign) in enumerate(zip(chosen, signs.tolist(), strict=True), start=1):
        step = STEP * sign
        moved = stepped.moved(channel, step) - stepped.embeddings
        found.append(moved.mean(dim=0).cpu() / step)
        if progress is not None:
            progress(number, len(chosen))
    return torch.stack(found)


def _agrees(predicted: Float[Tensor, "k"], measured: Float[Tensor, "k"]) -> Tensor:
    """Whether measured effects have the sign and about the size of those predicted.

    The predictions are known up to a factor, which is the median ratio of the two.
    """
    ratio = measured / predicted
    positive = ratio[ratio > 0]
    if not len(positive):
        return ratio > 0
    relative = ratio / positive.median()
    return (relative >= LEAST) & (relative <= MOST)
