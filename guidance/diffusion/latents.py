"""Images that are a denoiser's latents, decoded where somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from guidance.diffusion.base import Denoiser
from guidance.errors import InputError
from guidance.outputs import Rendering

#: Images that are decoded, or drawn, at once.
AT_ONCE = 8


def in_parts(work: Callable[[Tensor], Tensor], given: Shaped[Tensor, "n ..."]) -> Tensor:
    """What the work makes of `n` samples, `AT_ONCE` of them at a time, also on the way back.

    One part keeps its graph; several are worked out again for their gradient, one after another.
    """
    parts = torch.split(given, AT_ONCE)
    if len(parts) == 1:
        return work(given)
    again = torch.is_grad_enabled()
    return torch.cat(
        [checkpoint(work, part, use_reentrant=False) if again else work(part) for part in parts]
    )


class LatentRendering(Rendering):
    """What a generator of latents shows.

    A score distillation of the same denoiser reads `latents` as they are. Losses that look at
    pixels read `image`, which is decoded then, once a step: with a 512-pixel Stable Diffusion,
    decoding costs more than asking the network does.

    Args:
        latents: clean, as `denoiser.encode_image` makes them.
        denoiser: whose they are.
        origin: the same rendering before it was cut off from the generator.
    """

    def __init__(
        self,
        latents: Float[Tensor, "n 1 c hh ww"],
        denoiser: Denoiser,
        origin: LatentRendering | None = None,
    ) -> None:
        vars(self).update(latents=latents, denoiser=denoiser, origin=origin)

    latents: Float[Tensor, "n 1 c hh ww"]
    denoiser: Denoiser
    origin: LatentRendering | None

    @cached_property
    def image(self) -> Float[Tensor, "n 1 3 h w"]:
        """The decoded images; their gradient ends where they go beyond [0, 1]."""
        if self.origin is not None:
            return self.origin.image.detach().requires_grad_()
        # Whoever looks first may want no gradient, but those after may.
        with torch.set_grad_enabled(self.latents.requires_grad):
            return in_parts(self.shown, self.latents[:, 0])[:, None].clamp(0, 1)

    def shown(self, latents: Float[Tensor, "b c hh ww"]) -> Float[Tensor, "b 3 h w"]:
        """The images of some latents."""
        return self.denoiser.decode_image(latents)

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
        """The latents, and the images once they were looked at."""
        return [self.latents, self.image] if "image" in vars(self) else [self.latents]

    def detach(self) -> Rendering:
        """The images without their graph."""
        return Rendering(self.image.detach())

    def leaf(self) -> LatentRendering:
        """The same, cut off from the generator and ready to collect a gradient."""
        return LatentRendering(self.latents.detach().requires_grad_(), self.denoiser, self)


def check_device(denoiser: Denoiser, parameter: Tensor) -> None:
    """Raises InputError where a generator was moved and its denoiser was not."""
    device = next(denoiser.parameters()).device
    if device != parameter.device:
        raise InputError(
            f"{denoiser.name}: is on {device}, and the run on {parameter.device}; load it there: "
            f'load_denoiser({denoiser.name!r}, "{parameter.device}")'
        )
