"""The effect of a finite step of one channel, from the first layer that it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.samples import embeddings_of
from guidance.encoders.base import Encoder
from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import Activations


@dataclass(frozen=True)
class Channel:
    """A channel of a style."""

    layer: int  # index in `Synthesis.layers`
    index: int  # in the style of the layer
    std: float  # the standard deviation of the style


class Stepped:
    """Embeddings of images of which one channel is moved, for some latents.

    The activations before each of the layers are computed once.
    """

    def __init__(
        self, network: StyleGAN, encoder: Encoder, ws: Float[Tensor, "n w"], layers: Sequence[int]
    ) -> None:
        self.synthesis, self.encoder = network.synthesis, encoder
        self.renders = len(ws)
        with torch.no_grad():
            self.styles = self.synthesis.styles(ws)
            self.before: Mapping[int, Activations] = self.synthesis.activations(self.styles, layers)
            self.embeddings = embeddings_of(self.synthesis, encoder, self.styles)

    def moved(self, channel: Channel, step: float) -> Float[Tensor, "n d"]:
        """The embeddings after a step in standard deviations."""
        styles = list(self.styles)
        style = styles[channel.layer].clone()
        style[:, channel.index] += step * channel.std
        styles[channel.layer] = style
        self.renders += len(style)
        with torch.no_grad():
            return embeddings_of(self.synthesis, self.encoder, styles, self.before[channel.layer])


def channels_of(stds: Sequence[Tensor]) -> Iterator[Channel]:
    """All channels in the order of the layers."""
    for layer, each in enumerate(stds):
        for index, std in enumerate(each.tolist()):
            yield Channel(layer, index, std)
