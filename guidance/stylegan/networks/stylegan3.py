"""The synthesis network of StyleGAN3, configurations T and R.

Source: Karras et al., "Alias-Free Generative Adversarial Networks", arXiv 2106.12423. The
parameters have the names of the published checkpoints: `L0_36_512.affine.weight` and so on.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.stylegan.networks.bands import Band, Filters, bands, filters
from guidance.stylegan.networks.configuration import StyleGAN3Config
from guidance.stylegan.networks.dense import ROOT_2, SLOPE, Dense
from guidance.stylegan.networks.modulated import demodulation, modulated_convolution
from guidance.stylegan.networks.resampling import upfirdn
from guidance.stylegan.networks.synthesis import Activations, StyleLayer, Synthesis


class FourierInput(nn.Module):
    """Sines of random frequencies on a grid that the style rotates and translates.

    The style is (cosine, sine, x, y), where the first two are normalized. `transform` is a further
    transformation of the grid, 3 x 3, which is the identity at first; setting it moves or rotates
    all images.
    """

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, w_dim: int, band: Band) -> None:
        super().__init__()
        self.size, self.rate, self.cutoff = band.size, band.rate, band.cutoff
        self.affine = Dense(w_dim, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.weight = nn.Parameter(torch.randn(band.channels, band.channels))
        # Uniform in a disc of the radius of the cutoff.
        directions = F.normalize(torch.randn(band.channels, 2))
        radii = torch.rand(band.channels, 1).sqrt() * band.cutoff
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", directions * radii)
        self.register_buffer("phases", torch.rand(band.channels) - 0.5)

    def forward(self, style: Float[Tensor, "n 4"]) -> Float[Tensor, "n c h w"]:
        cosine, sine, x, y = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        rotation = torch.stack((cosine, -sine, sine, cosine), dim=1).view(-1, 2, 2)
        shift = self.transform[:2, 2] - torch.stack((x, y), dim=1)
        # A point p of the image is at rotation (transform p - (x, y)) of the plane of sines.
        moved = self.freqs @ rotation
        phases = self.phases + (moved @ shift[:, :, None]).squeeze(2)
        freqs = moved @ self.transform[:2, :2]
        fade = (self.rate / 2 - freqs.norm(dim=2)) / (self.rate / 2 - self.cutoff)
        at = (torch.arange(self.size, device=style.device) + 0.5 - self.size / 2) / self.rate
        along_x = freqs[:, None, None, :, 0] * at[None, None, :, None]
        along_y = freqs[:, None, None, :, 1] * at[None, :, None, None]
        waves = torch.sin(2 * math.pi * (along_x + along_y + phases[:, None, None]))
        waves = waves * fade.clamp(0, 1)[:, None, None]
        weight = self.weight / math.sqrt(len(self.weight))
        return F.linear(waves, weight).permute(0, 3, 1, 2)


class FilteredConvolution(nn.Module):
    """A modulated convolution, and a leaky ReLU at a higher sampling rate.

    The last layer, which computes the image, has neither demodulation nor an activation.
    """

    magnitude_ema: Tensor
    up_taps: Tensor
    down_taps: Tensor

    def __init__(
        self, layer: StyleLayer, w_dim: int, kernel: int, around: Filters, clamp: float | None
    ) -> None:
        super().__init__()
        self.is_rgb, self.clamp = layer.is_rgb, clamp
        self.affine = Dense(w_dim, layer.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(layer.out_channels, layer.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(layer.out_channels))
        self.up, self.down, self.padding = around.up, around.down, around.padding
        self.register_buffer("magnitude_ema", torch.ones(()))  # of the square of the input
        self.register_buffer("up_taps", around.up_taps, persistent=False)
        self.register_buffer("down_taps", around.down_taps, persistent=False)

    def forward(
        self, x: Float[Tensor, "n i h w"], style: Float[Tensor, "n i"]
    ) -> Float[Tensor, "n o hh ww"]:
        gain = self.magnitude_ema.rsqrt()
        kernel = self.weight.shape[-1]
        if self.is_rgb:
            gain = gain / math.sqrt(self.weight[0].numel())
        x = modulated_convolution(x, self.weight, style * gain, padding=kernel - 1)
        bias = self.bias[:, None, None]
        if self.is_rgb:
            return self._clamped(x + bias)
        factor = demodulation(self.weight, style, is_relative=True)
        x = torch.addcmul(bias, x, factor[:, :, None, None])
        # The leaky ReLU is linear for positive factors, so that the filter applies its gain.
        gain_up = self.up**2 * ROOT_2
        x = upfirdn(x, self.up_taps, up=self.up, padding=self.padding, gain=gain_up)
        x = self._clamped(F.leaky_relu(x, SLOPE))
        return upfirdn(x, self.down_taps, down=self.down)

    def _clamped(self, x: Tensor) -> Tensor:
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class StyleGAN3Synthesis(Synthesis):
    """The synthesis of StyleGAN3; it uses no noise, and its image is read at full size only.

    The first style is that of the input, see `FourierInput`; its kind is "transform".
    """

    kept_maps = 16  # measured: 11 to 15.3, since activations are at twice the rate

    def __init__(self, config: StyleGAN3Config) -> None:
        """Random initial weights."""
        super().__init__()
        self.w_dim, self.resolution = config.w_dim, config.resolution
        self.scale = config.output_scale
        signals = bands(config)
        first = signals[0]
        self.input = FourierInput(config.w_dim, first)
        layers = [StyleLayer("input", "transform", first.size, 4, first.channels, 0)]
        for index, (before, after) in enumerate(zip((first, *signals), signals, strict=False)):
            name = f"L{index}_{after.size}_{after.channels}"
            kind = "rgb" if index == len(signals) - 1 else "conv"
            layer = StyleLayer(name, kind, after.size, before.channels, after.channels, index + 1)  # type: ignore[arg-type]
            kernel = 1 if layer.is_rgb else config.kernel
            around = filters(config, index)
            self.add_module(
                name, FilteredConvolution(layer, config.w_dim, kernel, around, config.clamp)
            )
            layers.append(layer)
        self.layers = tuple(layers)
        self.num_ws = len(layers)
        self.readable = (config.resolution,)

    def _affine(self, index: int) -> nn.Module:
        return self.get_submodule(f"{self.layers[index].name}.affine")

    def _start(self, first_style: Tensor) -> Activations:
        return Activations(0, first_style.new_empty(len(first_style), 0, 0, 0))

    def _layer(
        self, index: int, style: Tensor, state: Activations, noise: str | Tensor | None
    ) -> Activations:
        module = self.get_submodule(self.layers[index].name)
        x = module(style) if index == 0 else module(state.features, style)
        image = x * self.scale if self.layers[index].is_rgb else None
        return replace(state, layer=index + 1, features=x, image=image)

    def _read(self, state: Activations) -> Tensor:
        assert state.image is not None, "the last layer is an image"
        return state.image
