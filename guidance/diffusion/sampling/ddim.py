"""Images that a denoiser draws by itself, step by step from noise to clean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from guidance.diffusion.base import Condition, Denoiser
from guidance.errors import InputError
from guidance.types import StepContext


@dataclass(frozen=True)
class NoiseScene:
    """What is behind images that were drawn from noise, for regularizers."""

    noise: Float[Tensor, "n c h w"]


def sample(
    denoiser: Denoiser,
    texts: Sequence[str],
    seeds: Sequence[int],
    *,
    size: int | None = None,
    steps: int = 25,
    guidance_scale: float = 5.0,
    micro_batch: int = 16,
) -> Float[Tensor, "n 3 h w"]:
    """The model's own images of texts, in [0, 1].

    Args:
        texts: one an image.
        seeds: of the noise, one an image; an image does not depend on the others.
        size: pixels a side, by default what the model was trained on.
        steps: answers of the network an image, twice as many with guidance.
        guidance_scale: how much more it is to mean the words; 1 is the condition alone.
        micro_batch: images at once.

    Raises:
        InputError: another number of seeds than texts; steps below 1; a size that the autoencoder
            does not divide.
    """
    if len(texts) != len(seeds):
        raise InputError(
            f"sample: expected a seed for each of {len(texts)} texts, got {len(seeds)}"
        )
    shape = denoiser.latent_shape(*(size or denoiser.image_size,) * 2)
    noise = StepContext(tuple(seeds), phase="start").normal("sample", *shape)
    rows = denoiser.encode_text(list(texts))
    empty = denoiser.encode_text([""])
    device = next(iter(rows.tensors.values())).device
    pictures = []
    for places in torch.split(torch.arange(len(texts), device=device), micro_batch):
        with torch.no_grad():
            latents = draw(
                denoiser,
                noise[places.cpu()].to(device),
                rows.rows(places),
                empty.rows(torch.zeros_like(places)),
                steps=steps,
                guidance_scale=guidance_scale,
            )
            pictures.append(denoiser.decode_image(latents).clamp(0, 1))
    return torch.cat(pictures)


def draw(
    denoiser: Denoiser,
    noise: Float[Tensor, "b c h w"],
    wanted: Condition,
    empty: Condition | None,
    *,
    steps: int,
    guidance_scale: float,
) -> Float[Tensor, "b c h w"]:
    """Clean latents from noise; differentiable in it, with one step's graph in memory at a time.

    Source: Song et al., "Denoising Diffusion Implicit Models" (arXiv 2010.02502), without added
    noise, which for flow models is Euler's method; guidance of Ho & Salimans (arXiv 2207.12598),
    `o_0 + s (o_y - o_0)` on the network's own answers. The first step is at full noise and all are
    of one length (Lin et al., arXiv 2305.08891, "trailing"), but for flow models whose scheduler
    shifts them (Esser et al., arXiv 2403.03206, eq. 23).

    Args:
        wanted, empty: one row a latent; at a scale of 1, `empty` is not asked and may be None.

    Raises:
        InputError: steps below 1; no `empty` at another scale than 1.
    """
    if steps < 1:
        raise InputError(f"steps of the sampler: expected at least 1, got {steps}")
    if empty is None and guidance_scale != 1:
        raise InputError(f"guidance_scale {guidance_scale:g}: needs the answers without words")
    shift = denoiser.shift(noise.shape[2], noise.shape[3])
    times = [_shifted(1 - i / steps, shift) for i in range(steps)]
    both = wanted if empty is None else Condition.stack([wanted, empty])
    b = len(noise)

    def step(noisy: Tensor, time: float, later: float | None) -> Tensor:
        level = denoiser.level(torch.full((b,), time), noisy)
        if guidance_scale == 1:
            output = denoiser.answer(noisy, level, wanted)
        else:
            twice = level.rows(torch.arange(b, device=noisy.device).repeat(2))
            told, free = denoiser.answer(torch.cat([noisy, noisy]), twice, both).chunk(2)
            output = free + guidance_scale * (told - free)
        clean = level.meant(noisy, output)
        if later is None:
            return clean
        return denoiser.level(torch.full((b,), later), noisy).mix(clean, level.noise(noisy, output))

    latents = noise
    for time, later in zip(times, [*times[1:], None], strict=True):
        if steps > 1 and torch.is_grad_enabled() and latents.requires_grad:
            latents = checkpoint(step, latents, time, later, use_reentrant=False)
        else:
            latents = step(latents, time, later)
    return latents


def _shifted(time: float, shift: float) -> float:
    return shift * time / (1 + (shift - 1) * time)
