"""Images of a frozen StyleGAN network, edited along directions in the space of styles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.generators.image.param.latents import Given, Kept, draw_latents, tiny_network
from guidance.generators.image.stylegan import StyleGANImages
from guidance.stylegan import StyleGAN, Styles
from guidance.stylegan.latents import Latents


class StyleDirectionImages(StyleGANImages):
    """Images whose styles move along directions; the parameter is the strength.

        styles + progress * sum over directions of  strength * direction

    With `ramp`, the change grows during the run from 0 to the whole strength, so that frames and
    losses of the steps are those of increasing strengths.

    Args:
        network: the network, with frozen weights.
        start: latents of n samples.
        directions: for each sample, what a strength of 1 adds to the style of each layer, `[c]`.
        strength: of all samples at first.
        learning_rate: of the strengths; 0 leaves them as they are.
        ramp: whether the change grows during the run.
        given: images that stay outside a mask.
        kept: what must stay.
    """

    chosen_by_name = False

    def __init__(
        self,
        network: StyleGAN,
        start: Latents,
        directions: Sequence[Styles],
        *,
        strength: float | Float[Tensor, "n"] = 1.0,
        learning_rate: float = 0.0,
        ramp: bool = False,
        given: Given | None = None,
        kept: Kept | None = None,
    ) -> None:
        super(StyleGANImages, self).__init__()
        self._set_up(network, start, learning_rate, given, kept)
        assert len(directions) == self.num_samples, "one direction for each sample"
        # A buffer is part of checkpoints: a run that is resumed has the same bits.
        steps = [torch.cat(list(direction)) for direction in directions]
        self.register_buffer("direction", torch.stack(steps).to(start.styles[0]))
        self.strength = nn.Parameter(
            torch.as_tensor(strength).float().expand(self.num_samples).clone()
        )
        self.ramp, self.progress = ramp, 0.0 if ramp else 1.0

    def advance(self, progress: float) -> None:
        if self.ramp:
            self.progress = progress

    def latents_at(self, shares: Float[Tensor, "n"] | None = None) -> Latents:
        """The latents of all samples, at the present strength or with shares of the whole one."""
        share = self.progress if shares is None else shares.to(self.strength)
        amount = self.strength * share
        sizes = [style.shape[1] for style in self.start.styles]
        vectors = self.get_buffer("direction").split(sizes, 1)  # type: ignore[no-untyped-call]
        pairs = zip(self.start.styles, vectors, strict=True)
        return self.start.with_styles([style + amount[:, None] * vector for style, vector in pairs])

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.strength], "lr": self.learning_rate}]

    @torch.no_grad()
    def reduce(self, shares: Float[Tensor, "n"]) -> None:
        self.strength.mul_(shares.to(self.strength))

    def _which(self, sample: int) -> str:
        return f"{super()._which(sample)}strength {float(self.strength.detach()[sample]):.3g}, "

    @classmethod
    def tiny(cls, num_samples: int = 2) -> StyleDirectionImages:
        network = tiny_network()
        start = Latents.of(network.synthesis, draw_latents(network, tuple(range(num_samples))))
        random = torch.Generator().manual_seed(2)
        direction = [
            0.5 * torch.randn(layer.channels, generator=random)
            for layer in network.synthesis.layers
        ]
        strength = 0.1 * torch.arange(1, num_samples + 1)
        return cls(network, start, [direction] * num_samples, strength=strength, learning_rate=0.05)
