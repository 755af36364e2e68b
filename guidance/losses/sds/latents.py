"""Latents of the images that are optimized, and of the source images of an edit."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.augment.whole import Whole
from guidance.diffusion.base import Denoiser
from guidance.diffusion.latents import LatentRendering
from guidance.errors import InputError
from guidance.outputs import Images, Rendering
from guidance.transfers import to_device
from guidance.types import StepContext


class LatentEncoder:
    """Encodes images with the autoencoder of a denoiser.

    Args:
        denoiser: frozen.
        augment: how images are drawn before they are encoded.
        reference: the source images of an edit.
    """

    def __init__(
        self, denoiser: Denoiser, augment: Augment, reference: Images | None = None
    ) -> None:
        self.denoiser, self.augment, self.reference = denoiser, augment, reference
        self._reference_latents: dict[tuple[tuple[int, int], ...], Float[Tensor, "b c h w"]] = {}

    def encode(self, rendering: Images, crops: Crops, part: Part) -> Float[Tensor, "b c h w"]:
        """The latents of one micro-batch of images, in float32 or more; differentiable.

        Latents that are optimized directly, with the same denoiser, are not decoded and encoded.
        """
        if isinstance(rendering, LatentRendering) and rendering.denoiser is self.denoiser:
            latents = rendering.latents[part.place[:2]][:, :, None]
            k = len(range(crops.shape[2])[part.crops])
            return latents.expand(-1, -1, k, -1, -1, -1).flatten(0, 2)
        latents = self.denoiser.encode_image(self.augment.apply(rendering, crops, part))
        return latents.to(torch.promote_types(latents.dtype, torch.float32))

    def encode_reference(self, crops: Crops, part: Part) -> Float[Tensor, "b c h w"]:
        """The latents of the source images for the same crops; cached if no crops are drawn."""
        assert self.reference is not None
        height, width = self.reference.shape[-2:]
        is_fixed = self.augment == Whole.plain() or (
            self.augment == Augment.plain() and height == width
        )
        if not is_fixed:
            return self.encode(self.reference, crops, part)
        place = tuple((each.start, each.stop) for each in part.place)
        if place not in self._reference_latents:
            self._reference_latents[place] = self.encode(self.reference, crops, part)
        return self._reference_latents[place]


def reference_images(start: Images, reference: Float[Tensor, "n v 3 h w"] | None) -> Images:
    """The source images of an edit: `reference`, or else the images before the first step.

    Raises:
        InputError: another number of images than the generator has.
    """
    if reference is None:
        return start.detach()
    if reference.shape[:2] != start.image.shape[:2]:
        raise InputError(
            f"reference: expected {start.image.shape[0]} x {start.image.shape[1]} images, got "
            f"{reference.shape[0]} x {reference.shape[1]}"
        )
    return Rendering(reference.to(start.image))


def draw_noise(
    context: StepContext, purpose: str, crops: Crops, part: Part, like: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Standard normal noise for one micro-batch, different for each sample, view and crop."""
    _, v, k = crops.shape
    noise = context.normal(purpose, v, k, *like.shape[1:])[part.place]
    return to_device(noise.flatten(0, 2), like.device, like.dtype)
