"""The synthesis network of StyleGAN2.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", arXiv 1912.04958,
configuration F; "Training Generative Adversarial Networks with Limited Data", arXiv 2006.06676.
The parameters have the names of the published checkpoints: `b8.conv0.affine.weight` and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.stylegan.networks.dense import ROOT_2, SLOPE, Dense
from guidance.stylegan.networks.modulated import demodulation, modulated_convolution
from guidance.stylegan.networks.resampling import upfirdn
from guidance.stylegan.networks.synthesis import Activations, StyleLayer, Synthesis

#: The side of the constant input.
FIRST = 4


class StyledConvolution(nn.Module):
    """A modulated convolution, noise, bias and leaky ReLU; `up` doubles the side first."""

    noise_const: Tensor

    def __init__(self, layer: StyleLayer, w_dim: int, up: bool) -> None:
        super().__init__()
        self.up, self.has_noise = up, layer.has_noise
        self.affine = Dense(w_dim, layer.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(layer.out_channels, layer.channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(layer.out_channels))
        if layer.has_noise:
            self.noise_strength = nn.Parameter(torch.zeros(()))
            self.register_buffer("noise_const", torch.randn(layer.resolution, layer.resolution))

    def forward(
        self,
        x: Float[Tensor, "n i h w"],
        style: Float[Tensor, "n i"],
        taps: Float[Tensor, "t"],
        noise: str | Tensor | None,
    ) -> Float[Tensor, "n o hh ww"]:
        # The leaky ReLU is linear for positive factors, so its gain is applied to small tensors.
        factor = demodulation(self.weight, style) * ROOT_2
        x = modulated_convolution(x, self.weight, style, taps=taps if self.up else None)
        offset = (self.bias * ROOT_2)[None, :, None, None]
        if isinstance(noise, str):
            noise = self.noise_const if noise == "const" and self.has_noise else None
        if noise is not None:
            offset = offset + noise * (self.noise_strength * ROOT_2)
        return F.leaky_relu(torch.addcmul(offset, x, factor[:, :, None, None]), SLOPE)


class ToImage(nn.Module):
    """A modulated convolution of one pixel, without demodulation: the image of a resolution."""

    def __init__(self, width_in: int, width_out: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Dense(w_dim, width_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(width_out, width_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(width_out))
        self.gain = 1 / math.sqrt(width_in)

    def forward(
        self, x: Float[Tensor, "n i h w"], style: Float[Tensor, "n i"]
    ) -> Float[Tensor, "n o h w"]:
        x = modulated_convolution(x, self.weight, style * self.gain)
        return x + self.bias[:, None, None]


class First(nn.Module):
    """The first resolution, which has the constant input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.randn(width, FIRST, FIRST))


def layout(
    channels: Sequence[int], image_channels: int, skips: bool, use_noise: bool
) -> tuple[StyleLayer, ...]:
    """The layers of a network; the arguments are those of `StyleGAN2Synthesis`."""
    layers: list[StyleLayer] = []
    w_index = 0
    for level, width in enumerate(channels):
        side = FIRST * 2**level
        for name, width_in in (("conv0", channels[level - 1]), ("conv1", width)):
            if level or name == "conv1":
                at = f"b{side}.{name}"
                layers.append(StyleLayer(at, "conv", side, width_in, width, w_index, use_noise))
                w_index += 1
        if skips or level == len(channels) - 1:  # its latent is that of the next convolution too
            layers.append(StyleLayer(f"b{side}.torgb", "rgb", side, width, image_channels, w_index))
    return tuple(layers)


class StyleGAN2Synthesis(Synthesis):
    """The synthesis of StyleGAN2, with any number of channels at each resolution.

    With skips, each resolution adds an image to the upsampled sum of those before, so that the
    image can be read at every resolution; without, the last layer alone gives the image.
    """

    taps: Tensor
    kept_maps = 6  # measured: 4.6 to 5.9

    def __init__(
        self,
        w_dim: int,
        channels: Sequence[int],
        *,
        image_channels: int = 3,
        skips: bool = True,
        use_noise: bool = True,
        clamp: float | None = None,
        taps: Sequence[float] = (1, 3, 3, 1),
    ) -> None:
        """Random initial weights.

        Args:
            w_dim: numbers of a latent w.
            channels: of the maps at 4, 8, 16, ... pixels.
            image_channels: of the image.
            skips: see the class.
            use_noise: whether noise is added after each convolution.
            clamp: outputs of layers are limited to [-clamp, clamp], in networks that were trained
                in half precision.
            taps: the filter of upsampling, along one axis.
        """
        super().__init__()
        self.w_dim, self.clamp = w_dim, clamp
        self.resolution = FIRST * 2 ** (len(channels) - 1)
        self.layers = layout(channels, image_channels, skips, use_noise)
        self.num_ws = self.layers[-1].w_index + 1
        self.readable = tuple(layer.resolution for layer in self.layers if layer.is_rgb)
        self.b4 = First(channels[0])
        for side in (FIRST * 2**level for level in range(1, len(channels))):
            self.add_module(f"b{side}", nn.Module())
        for layer in self.layers:
            block, name = layer.name.split(".")
            self.get_submodule(block).add_module(name, _module(layer, w_dim))
        kernel = torch.tensor(taps, dtype=torch.float32)
        self.register_buffer("taps", kernel / kernel.sum(), persistent=False)

    def _affine(self, index: int) -> nn.Module:
        return self.get_submodule(f"{self.layers[index].name}.affine")

    def _start(self, first_style: Tensor) -> Activations:
        return Activations(0, self.b4.const.expand(len(first_style), -1, -1, -1))

    def _layer(
        self, index: int, style: Tensor, state: Activations, noise: str | Tensor | None
    ) -> Activations:
        layer, module = self.layers[index], self.get_submodule(self.layers[index].name)
        if not layer.is_rgb:
            x = self._clamped(module(state.features, style, self.taps, noise))
            return replace(state, layer=index + 1, features=x)
        image = self._clamped(module(state.features, style))
        if state.image is not None:
            image = image + upsampled(state.image, self.taps)
        return replace(state, layer=index + 1, image=image)

    def _read(self, state: Activations) -> Tensor:
        assert state.image is not None, "the last layer is an image"
        return state.image

    def _clamped(self, x: Tensor) -> Tensor:
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


def upsampled(x: Float[Tensor, "n c h w"], taps: Float[Tensor, "t"]) -> Float[Tensor, "n c hh ww"]:
    """Maps at twice the side."""
    spare = len(taps) - 2  # zeros so that the side is exactly twice; one more is inserted
    return upfirdn(x, taps, up=2, padding=((spare + 1) // 2 + 1, spare // 2), gain=4.0)


def _module(layer: StyleLayer, w_dim: int) -> nn.Module:
    if layer.is_rgb:
        return ToImage(layer.channels, layer.out_channels, w_dim)
    return StyledConvolution(layer, w_dim, up=layer.name.endswith("conv0"))
