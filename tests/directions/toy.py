"""A network and an encoder in which the effect of each channel is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidance.encoders.base import Encoder
from guidance.stylegan import Activations, StyleGAN, StyleLayer, Synthesis
from guidance.stylegan.networks.dense import Dense, Mapping

WORDS = ("hat", "beard", "smile", "glasses", "age", "tie", "ears", "nose")
WIDTHS = (6, 3, 7, 4)
KINDS = ("conv", "rgb", "conv", "rgb")


class ToyEncoder(Encoder):
    """Compares the mean of the columns of an image with counts of words."""

    name, family, image_size = "toy", "toy", 8
    templates = ("{}",)

    def encode_image(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, (1, 8)).mean(dim=1)[:, 0]

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[float(w in text.split()) for w in WORDS] for text in texts])


class ToySynthesis(Synthesis):
    """Adds `mix[index] @ style` of each layer to the columns of an image of 8 pixels.

    Counts images: those that are rendered, and those through which gradients go.
    """

    kept_maps = 1

    def __init__(self, mix: list[Tensor], bend: float = 0.0) -> None:
        super().__init__()
        self.layers = tuple(
            StyleLayer(f"b8.l{i}", kind, 8, width, 3, i)  # type: ignore[arg-type]
            for i, (kind, width) in enumerate(zip(KINDS, WIDTHS, strict=True))
        )
        self.resolution, self.num_ws, self.w_dim, self.readable = 8, 4, 5, (8,)
        self.affines = nn.ModuleList(Dense(5, width) for width in WIDTHS)
        for index, matrix in enumerate(mix):
            self.register_buffer(f"mix{index}", matrix)
        self.bend, self.rendered, self.differentiated, self.layers_run = bend, 0, 0, 0

    def from_styles(self, styles: Any, *args: Any, **options: Any) -> Tensor:
        image = super().from_styles(styles, *args, **options)
        self.rendered += len(image)
        if image.requires_grad:
            image.register_hook(self._count)
        return image

    def _count(self, gradient: Tensor) -> None:
        self.differentiated += len(gradient)

    def _affine(self, index: int) -> nn.Module:
        return self.affines[index]

    def _start(self, first_style: Tensor) -> Activations:
        return Activations(0, first_style.new_zeros(len(first_style), 8, 1, 1))

    def _layer(self, index: int, style: Tensor, state: Activations, noise: Any) -> Activations:
        self.layers_run += len(style)
        added = style @ getattr(self, f"mix{index}").T + self.bend * style.square().mean(
            dim=1, keepdim=True
        )
        features = state.features + added[:, :, None, None]
        image = features[:, :, 0, 0][:, None, None].expand(-1, 3, 8, 8)
        return replace(state, layer=index + 1, features=features, image=image)

    def _read(self, state: Activations) -> Tensor:
        assert state.image is not None
        return state.image


def toy_network(bend: float = 0.0) -> StyleGAN:
    """Channel c of all layers moves word c % 8; the first three also move "glasses" by a third."""
    torch.manual_seed(0)
    network = StyleGAN.__new__(StyleGAN)
    nn.Module.__init__(network)
    network.mapping = Mapping(5, 5, (5,))
    network.synthesis = ToySynthesis(known_mix(), bend)
    return network.frozen()


def known_mix() -> list[Tensor]:
    """The matrices of the toy network."""
    mix = torch.zeros(8, sum(WIDTHS))
    for channel in range(sum(WIDTHS)):
        mix[channel % 8, channel] = 0.01 * (1 + channel % 3) * (-1) ** channel
    mix[3, :3] = 0.003
    return list(torch.split(mix, WIDTHS, dim=1))
