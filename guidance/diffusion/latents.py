"""Images as latents of a denoiser, decoded only when a loss reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from guidance.diffusion.base import Denoiser
from guidance.errors import InputError
from guidance.outputs import Images, Rendering

#: Images that are decoded or sampled at once.
AT_ONCE = 8


def in_parts(work: Callable[[Tensor], Tensor], given: Shaped[Tensor, "n ..."]) -> Tensor:
    """Applies `work` to `n` samples in parts of `AT_ONCE`, to bound the memory of both passes.

    A single part keeps its graph; several parts are computed again in backward, one at a time.
    """
    parts = torch.split(given, AT_ONCE)
    if len(parts) == 1:
        return work(given)
    again = torch.is_grad_enabled()
    return torch.cat(
        [checkpoint(work, part, use_reentrant=False) if again else work(part) for part in parts]
    )


@dataclass(frozen=True, eq=False)
class LatentRendering(Images):
    """Images as latents of a denoiser, decoded when a loss reads them.

    Score distillation with the same denoiser reads `latents`. Losses of pixels read `image`, which
    is decoded at most once a step: with Stable Diffusion at 512 pixels, decoding costs more than
    one pass of the network.
    """

    latents: Float[Tensor, "n 1 c hh ww"] = field(repr=False)  # clean, as `encode_image` returns
    denoiser: Denoiser = field(repr=False)
    #: Decodes latents to images in place of the denoiser, and the height and width of these images.
    decode: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)
    size: tuple[int, int] | None = None
    #: The same rendering before it was detached from the generator.
    origin: LatentRendering | None = field(default=None, repr=False)

    @cached_property
    def image(self) -> Float[Tensor, "n 1 3 h w"]:  # type: ignore[override]
        """The decoded images; the gradient is 0 where they exceed [0, 1]."""
        if self.origin is not None:
            return self.origin.image.detach().requires_grad_()
        # The first reader may run under no_grad, a later one not.
        with torch.set_grad_enabled(self.latents.requires_grad):
            decode = self.decode or self.denoiser.decode_image
            return in_parts(decode, self.latents[:, 0])[:, None].clamp(0, 1)

    @property
    def shape(self) -> torch.Size:
        n, v, _, h, w = self.latents.shape
        return torch.Size((n, v, 3, *(self.size or self.denoiser.image_sides(h, w))))

    @property
    def dtype(self) -> torch.dtype:
        return self.latents.dtype

    @property
    def device(self) -> torch.device:
        return self.latents.device

    def leaves(self) -> list[Tensor]:
        """The latents, and the images once they were read."""
        return [self.latents, self.image] if "image" in vars(self) else [self.latents]

    def detach(self) -> Rendering:
        """The images without their graph."""
        return Rendering(self.image.detach())

    def leaf(self) -> LatentRendering:
        return replace(self, latents=self.latents.detach().requires_grad_(), origin=self)


def check_device(denoiser: Denoiser, parameter: Tensor) -> None:
    """Raises InputError if the generator and its denoiser are on different devices."""
    device = next(denoiser.parameters()).device
    if device != parameter.device:
        raise InputError(
            f"{denoiser.name}: is on {device}, but the run is on {parameter.device}; load it with "
            f'load_denoiser({denoiser.name!r}, "{parameter.device}")'
        )
