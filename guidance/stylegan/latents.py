"""What a synthesis network makes images from, of several samples.

The letters of the shapes are those of `guidance.stylegan.networks.synthesis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.stylegan.networks.synthesis import Noise, Styles, Synthesis, as_images
from guidance.stylegan.parts import in_parts, samples_at_once


@dataclass(frozen=True)
class Latents:
    """Styles, the latents W+ behind them where there are any, and changes of feature maps.

    Args:
        styles: one vector `[n, channels]` for each layer.
        ws: latents W+, from which the styles were computed.
        additions: index of a layer -> tensor `[n, c, h, w]` that is added to its output.
        noise: one tensor `[n, 1, h, w]` or None for each layer; None: the network's own noise.
    """

    styles: tuple[Tensor, ...]
    ws: Float[Tensor, "n l d"] | None = None
    additions: Mapping[int, Tensor] = field(default_factory=dict)
    noise: tuple[Tensor | None, ...] | None = None

    @classmethod
    def of(cls, synthesis: Synthesis, ws: Float[Tensor, "n *l d"]) -> Latents:
        """The styles of latents W or W+."""
        if ws.ndim == 2:
            ws = synthesis.broadcast(ws)
        return cls(synthesis.styles(ws), ws)

    @property
    def num_samples(self) -> int:
        return len(self.styles[0])

    def with_styles(self, styles: Styles) -> Latents:
        """The same with other styles, which have no latents W+."""
        return replace(self, styles=tuple(styles), ws=None)

    def with_ws(self, synthesis: Synthesis, ws: Float[Tensor, "n l d"]) -> Latents:
        """The same with other latents W+."""
        return replace(self, styles=synthesis.styles(ws), ws=ws)

    def select(self, samples: int | slice) -> Latents:
        """Some of the samples; an integer selects one."""
        if isinstance(samples, int):
            samples = slice(samples, samples + 1)
        return self._mapped(lambda tensor: tensor[samples])

    def expand(self, n: int) -> Latents:
        """The only sample n times, without copies."""
        return self._mapped(lambda tensor: tensor.expand(n, *tensor.shape[1:]))

    def detach(self) -> Latents:
        """The same without its graph."""
        return self._mapped(Tensor.detach)

    def to(self, device: torch.device | str) -> Latents:
        """The same on a device."""
        return self._mapped(lambda tensor: tensor.to(device))

    def images(self, synthesis: Synthesis) -> Float[Tensor, "n c h w"]:
        """The images in [0, 1]; differentiable in all tensors.

        Samples that do not fit into memory together are rendered in parts.
        """

        def make(part: slice) -> Tensor:
            some = self.select(part)
            noise: Noise = "const" if some.noise is None else some.noise
            raw = synthesis.from_styles(some.styles, noise, additions=some.additions)
            return as_images(raw).clamp(0, 1)

        return in_parts(make, self.num_samples, samples_at_once(synthesis))

    def _mapped(self, change: object) -> Latents:
        assert callable(change)
        return Latents(
            tuple(change(style) for style in self.styles),
            None if self.ws is None else change(self.ws),
            {index: change(tensor) for index, tensor in self.additions.items()},
            None
            if self.noise is None
            else tuple(None if tensor is None else change(tensor) for tensor in self.noise),
        )


@dataclass(frozen=True)
class LatentScene:
    """The latents behind images, for regularizers."""

    #: The difference of the latents from their start; in W and W+, that of W+.
    latent_change: Float[Tensor, "n m"]


@dataclass(frozen=True)
class NoiseMapsScene:
    """The noise maps behind images, for regularizers."""

    noise: tuple[Float[Tensor, "n 1 _ _"], ...]
