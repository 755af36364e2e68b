"""The interface of synthesis networks: from latents to styles, and from styles to images.

Legend of shape letters: n samples, d numbers of a latent w, l latents of W+, c channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

#: One style vector `[n, channels]` for each layer, in the order of `Synthesis.layers`.
Styles = Sequence[Tensor]
#: "const": the noise that is stored with the network; "none"; or one tensor `[n, 1, h, w]` for each
#: layer, None where a layer takes no noise, see `Synthesis.draw_noise`.
Noise = Literal["const", "none"] | Sequence[Tensor | None]


@dataclass(frozen=True)
class StyleLayer:
    """A layer that a style controls."""

    name: str  # as in the names of its parameters
    kind: Literal["conv", "rgb", "transform"]  # transform: rotation and translation of StyleGAN3
    resolution: int  # the side of its output; StyleGAN3's maps have margins
    channels: int  # of the style: the input channels of the layer
    out_channels: int
    w_index: int  # the latent of W+ from which the style is computed
    has_noise: bool = False

    @property
    def is_rgb(self) -> bool:
        """Whether the output is an image."""
        return self.kind == "rgb"


@dataclass(frozen=True)
class Activations:
    """The state before a layer, from which a synthesis can be continued."""

    layer: int  # the index of the layer that comes next
    features: Float[Tensor, "n c h w"]
    image: Float[Tensor, "n 3 hh ww"] | None = None  # the sum of the images so far, if there is one

    def select(self, index: int | slice | Tensor) -> Activations:
        """The state of some samples; an integer selects one, and keeps the first dimension."""
        if isinstance(index, int):
            index = slice(index, index + 1 or None)
        image = None if self.image is None else self.image[index]
        return replace(self, features=self.features[index], image=image)

    def expand(self, n: int) -> Activations:
        """The state of one sample, repeated without a copy."""
        image = None if self.image is None else self.image.expand(n, -1, -1, -1)
        return replace(self, features=self.features.expand(n, -1, -1, -1), image=image)


class Synthesis(nn.Module, ABC):
    """From latents W or W+ to images, in two steps: styles, and layers that the styles control.

    Images are raw: [-1, 1], not clamped; see `as_images`. All steps are differentiable with respect
    to latents, styles, noise, kept activations and additions.
    """

    layers: tuple[StyleLayer, ...]
    resolution: int  # the side of images
    num_ws: int  # latents of W+
    w_dim: int
    #: The sides at which an image can be read, ascending; the last is `resolution`.
    readable: tuple[int, ...]
    #: How many tensors of the size of its output a layer keeps for the backward pass, at most.
    kept_maps: int

    def forward(
        self,
        ws: Float[Tensor, "n *l d"],
        noise: Noise = "const",
        *,
        max_resolution: int | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """Raw images from latents; see `styles` and `from_styles`."""
        return self.from_styles(self.styles(ws), noise, max_resolution=max_resolution)

    def styles(self, ws: Float[Tensor, "n *l d"]) -> tuple[Tensor, ...]:
        """The style vector of each layer, `[n, channels]`.

        Args:
            ws: latents W `[n, d]`, or W+ `[n, num_ws, d]`.
        """
        if ws.ndim == 2:
            ws = self.broadcast(ws)
        assert ws.shape[1] == self.num_ws, f"expected {self.num_ws} latents, got {ws.shape[1]}"
        return tuple(
            self._affine(index)(ws[:, layer.w_index]) for index, layer in enumerate(self.layers)
        )

    def broadcast(self, w: Float[Tensor, "n d"]) -> Float[Tensor, "n l d"]:
        """Latents W as latents W+, without a copy."""
        return w[:, None].expand(-1, self.num_ws, -1)

    def from_styles(
        self,
        styles: Styles,
        noise: Noise = "const",
        *,
        start: Activations | None = None,
        max_resolution: int | None = None,
        additions: Mapping[int, Tensor] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """Raw images from the styles of all layers.

        Args:
            styles: one vector for each layer.
            noise: see `Noise`.
            start: the state to continue from; the styles of earlier layers are then not used.
            max_resolution: reads the image at the largest side of `readable` that is not larger,
                or at the smallest of all.
            additions: index of a layer -> tensor `[n, out_channels, h, w]` that is added to its
                output (the space F).
        """
        stop = self._stop(max_resolution)
        state = self._run(styles, noise, start, stop, additions)
        return self._read(state)

    def activations(
        self,
        styles: Styles,
        layers: Collection[int],
        noise: Noise = "const",
        *,
        additions: Mapping[int, Tensor] | None = None,
    ) -> dict[int, Activations]:
        """The states before these layers, from one pass over the layers below the last of them."""
        found = {}
        state: Activations | None = None
        for index in sorted(set(layers)):
            state = found[index] = self._run(styles, noise, state, index, additions)
        return found

    def bytes_of_graph(self, *, first: int = 0, max_resolution: int | None = None) -> int:
        """The memory that the backward pass of one sample needs, in float32; an upper estimate.

        Args:
            first: the layer to continue from.
            max_resolution: see `from_styles`.
        """
        layers = self.layers[first : self._stop(max_resolution)]
        maps = sum(layer.out_channels * layer.resolution**2 for layer in layers)
        return 4 * self.kept_maps * maps

    def draw_noise(
        self, n: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor | None, ...]:
        """Random noise of n samples, drawn on the CPU, on the device of the network."""
        device = next(self.parameters()).device
        return tuple(
            torch.randn(n, 1, layer.resolution, layer.resolution, generator=generator).to(device)
            if layer.has_noise
            else None
            for layer in self.layers
        )

    def _run(
        self,
        styles: Styles,
        noise: Noise,
        start: Activations | None,
        stop: int,
        additions: Mapping[int, Tensor] | None,
    ) -> Activations:
        """The state before layer `stop`."""
        assert len(styles) == len(self.layers), f"expected {len(self.layers)} style vectors"
        state = start or self._start(styles[0])
        for index in range(state.layer, stop):
            layer_noise = noise if isinstance(noise, str) else noise[index]
            state = self._layer(index, styles[index], state, layer_noise)
            if additions is not None and index in additions:
                state = replace(state, features=state.features + additions[index])
        return state

    def _stop(self, max_resolution: int | None) -> int:
        """The number of layers up to the image that is read."""
        fitting = [side for side in self.readable if side <= (max_resolution or self.resolution)]
        side = max(fitting, default=self.readable[0])
        if side == self.resolution:
            return len(self.layers)
        return next(
            index + 1
            for index, layer in enumerate(self.layers)
            if layer.is_rgb and layer.resolution == side
        )

    @abstractmethod
    def _affine(self, index: int) -> nn.Module:
        """The layer from w to the style of a layer."""

    @abstractmethod
    def _start(self, first_style: Tensor) -> Activations:
        """The state before the first layer; the style gives the number of samples."""

    @abstractmethod
    def _layer(
        self, index: int, style: Tensor, state: Activations, noise: str | Tensor | None
    ) -> Activations:
        """The state after a layer."""

    @abstractmethod
    def _read(self, state: Activations) -> Tensor:
        """The raw image of the state after a layer of kind "rgb"."""


def as_images(raw: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Raw images as images in [0, 1], not clamped."""
    return raw / 2 + 0.5
