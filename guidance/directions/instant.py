"""A direction from the gradient of one sentence, without a dictionary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.direction import StyleDirection
from guidance.directions.effects import Progress, mean_effects
from guidance.directions.keeping import Choice
from guidance.directions.queries import difference
from guidance.directions.samples import embeddings_of, sample_ws, style_deviations
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.prompts import Prompt
from guidance.stylegan.networks.network import StyleGAN


@dataclass(frozen=True)
class Sentence:
    """What a direction should do, and what not."""

    target: str | Prompt
    source: str | Prompt | None = None  # what changes into the target; None: the subject
    keep: tuple[str | Prompt, ...] = ()  # what stays, as differences from the subject
    subject: str | Prompt = "a face"  # what the images show

    @property
    def text(self) -> str:
        """The words in one line."""
        return f"{self.source or self.subject} -> {self.target}"

    def differences(self, encoder: Encoder, center: Float[Tensor, "d"]) -> Float[Tensor, "d k"]:
        """Unit columns: the target, then what is kept; see `difference`."""
        kept = [difference(encoder, each, self.subject, center) for each in self.keep]
        wanted = difference(encoder, self.target, self.source or self.subject, center)
        return torch.stack([wanted, *kept], dim=1)


@dataclass(frozen=True)
class InstantTable:
    """The effect of each channel on one sentence, and on what it keeps."""

    table: Float[Tensor, "c k"]  # of one standard deviation of each channel
    columns: Float[Tensor, "d k"]  # see `Sentence.differences`
    stds: tuple[Tensor, ...]

    def with_table(self, table: Float[Tensor, "c k"]) -> InstantTable:
        """The same with other effects."""
        return replace(self, table=table)

    def direction(self, network: StyleGAN, sentence: Sentence, choice: Choice) -> StyleDirection:
        """The direction of the sentence; see `Choice.steps`."""
        axes = torch.eye(self.table.shape[1])  # effects are known along the columns only
        steps = choice.steps(self.table, axes[0], axes[:, 1:])
        direction = StyleDirection.of(network, self.stds, self.stds, text=sentence.text)
        return direction.with_flat(steps).normalized()


def instant_table(
    network: StyleGAN,
    sentence: Sentence,
    encoder: Encoder,
    *,
    latents: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> InstantTable:
    """The mean gradients of a sentence; see `instant_direction`."""
    ws, stds = sample_ws(network, latents, seed), style_deviations(network, seed)
    columns = sentence.differences(encoder, center_of(network, encoder, ws[:8], sentence))
    effects = mean_effects(network, encoder, ws, columns, progress)
    return InstantTable(effects.table * torch.cat(stds)[:, None], columns, stds)


def instant_direction(
    network: StyleGAN,
    sentence: Sentence,
    choice: Choice = Choice(),  # noqa: B008  (frozen)
    encoder: str | Encoder = "mini-people",
    *,
    latents: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> StyleDirection:
    """The mean gradient of the similarity to a sentence, over random latents.

    It takes `latents` forward passes, and as many backward passes for the sentence and for each
    phrase that is kept. The strongest channel moves by one standard deviation at strength 1.

    Args:
        network: frozen, see `load_stylegan`.
        sentence: see `Sentence`.
        choice: how many channels change; isolation concerns only what is kept.
        encoder: a name or an Encoder.
        latents: over how many random images gradients are averaged.
        seed: of the latents.
        progress: called with the number of renders so far and of all.

    Raises:
        InputError: a prompt that cannot be used, or nothing is left of the direction.
    """
    encoder = load_encoder(encoder, network.device)
    found = instant_table(network, sentence, encoder, latents=latents, seed=seed, progress=progress)
    return found.direction(network, sentence, choice)


def center_of(
    network: StyleGAN, encoder: Encoder, ws: Float[Tensor, "n w"], sentence: Sentence
) -> Float[Tensor, "d"]:
    """The mean embedding of some images, which only prompts with images need; else zeros."""
    prompts = map(Prompt.of, (sentence.target, *sentence.keep))
    if not any(phrase.image for prompt in prompts for phrase in prompt.phrases):
        return encoder.encode_text(["a face"])[0].float().cpu() * 0
    with torch.no_grad():
        styles = network.synthesis.styles(ws)
        return embeddings_of(network.synthesis, encoder, styles).mean(dim=0).cpu()
