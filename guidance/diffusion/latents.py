"""Pictures that are a denoiser's latents, decoded where somebody looks at them."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Denoiser
from guidance.types import Rendering

#: Pictures that are decoded at once.
AT_ONCE = 8


class LatentRendering(Rendering):
    """What a generator of latents shows.

    A score distillation of the same denoiser reads `latents` as they are. Losses that look at
    pixels read `image`, which is decoded then, once a step: with a 512-pixel Stable Diffusion,
    decoding costs more than asking the network does.

    Args:
        latents: clean, as `denoiser.encode_image` makes them.
        denoiser: whose they are.
        source: the same rendering before it was cut off from the generator.
    """

    def __init__(
        self,
        latents: Float[Tensor, "n 1 c hh ww"],
        denoiser: Denoiser,
        source: LatentRendering | None = None,
    ) -> None:
        vars(self).update(latents=latents, denoiser=denoiser, before=source)

    latents: Float[Tensor, "n 1 c hh ww"]
    denoiser: Denoiser
    before: LatentRendering | None

    @cached_property
    def image(self) -> Float[Tensor, "n 1 3 h w"]:
        """The decoded pictures; their gradient ends where they go beyond [0, 1]."""
        if self.before is not None:
            return self.before.image.detach().requires_grad_()
        parts = [
            self.denoiser.decode_image(part[:, 0]) for part in torch.split(self.latents, AT_ONCE)
        ]
        return torch.cat(parts)[:, None].clamp(0, 1)

    @property
    def shape(self) -> torch.Size:
        """n, v, 3, h and w."""
        n, v, _, h, w = self.latents.shape
        return torch.Size((n, v, 3, *self.denoiser.picture_sides(h, w)))

    @property
    def like(self) -> Tensor:
        """Nothing, in the precision and on the device of the latents."""
        return self.latents.detach().new_empty(0)

    def leaves(self) -> list[Tensor]:
        """The latents, and the pictures once they were looked at."""
        return [self.latents, self.image] if "image" in vars(self) else [self.latents]

    def detach(self) -> Rendering:
        """The pictures without their graph."""
        return Rendering(self.image.detach())

    def leaf(self) -> LatentRendering:
        """The same, cut off from the generator and ready to collect a gradient."""
        return LatentRendering(self.latents.detach().requires_grad_(), self.denoiser, self)
