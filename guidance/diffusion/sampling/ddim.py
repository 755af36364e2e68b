"""Deterministic sampling from a denoiser: DDIM, and Euler's method for flow models."""

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
    """The noise from which images were sampled, for regularizers."""

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
    """Samples images of texts, in [0, 1].

    Args:
        denoiser: the diffusion model.
        texts: one for each image.
        seeds: seeds of the noise, one for each image; images do not depend on each other.
        size: pixels per side; by default that of the training images.
        steps: sampling steps.
        guidance_scale: the scale of classifier-free guidance; 1 turns guidance off.
        micro_batch: the number of images that are sampled at once.

    Raises:
        InputError: the numbers of seeds and texts differ; steps are below 1; or the size is not a
            multiple of the autoencoder's factor.
    """
    if len(texts) != len(seeds):
        raise InputError(
            f"sample: expected one seed for each of {len(texts)} texts, got {len(seeds)}"
        )
    shape = denoiser.latent_shape(*(size or denoiser.image_size,) * 2)
    noise = StepContext(tuple(seeds), phase="start").normal("sample", *shape)
    rows = denoiser.encode_text(list(texts))
    empty = denoiser.encode_text([""])
    device = next(iter(rows.tensors.values())).device
    images = []
    for rows_at in torch.split(torch.arange(len(texts), device=device), micro_batch):
        with torch.no_grad():
            latents = draw(
                denoiser,
                noise[rows_at.cpu()].to(device),
                rows.rows(rows_at),
                empty.rows(torch.zeros_like(rows_at)),
                steps=steps,
                guidance_scale=guidance_scale,
            )
            images.append(denoiser.decode_image(latents).clamp(0, 1))
    return torch.cat(images)


def draw(
    denoiser: Denoiser,
    noise: Float[Tensor, "b c h w"],
    condition: Condition,
    unconditional: Condition | None,
    *,
    steps: int,
    guidance_scale: float,
) -> Float[Tensor, "b c h w"]:
    """Samples clean latents from noise; differentiable in the noise.

    In the backward pass, the graph of one step is in memory at a time.

    Source: Song et al., "Denoising Diffusion Implicit Models" (arXiv 2010.02502), without added
    noise, which for flow models is Euler's method; classifier-free guidance of Ho & Salimans
    (arXiv 2207.12598), `o_0 + s (o_y - o_0)`, on the network outputs. The first step is at full
    noise and all steps have equal length (Lin et al., arXiv 2305.08891, "trailing"), except for
    flow models whose scheduler shifts them (Esser et al., arXiv 2403.03206, eq. 23).

    Args:
        denoiser: the diffusion model.
        noise: standard normal noise.
        condition: one row for each latent.
        unconditional: one row for each latent; not used at a guidance scale of 1, and may be None.
        steps: sampling steps.
        guidance_scale: the scale of classifier-free guidance.

    Raises:
        InputError: steps are below 1, or `unconditional` is None at a guidance scale other than 1.
    """
    if steps < 1:
        raise InputError(f"sampling steps: expected at least 1, got {steps}")
    if unconditional is None and guidance_scale != 1:
        raise InputError(
            f"guidance_scale {guidance_scale:g}: expected an unconditional row for each latent"
        )
    shift = denoiser.shift(noise.shape[2], noise.shape[3])
    times = [_shifted(1 - i / steps, shift) for i in range(steps)]
    both = condition
    if unconditional is not None:
        both = Condition.stack([condition, unconditional])
    b = len(noise)

    def step(noisy: Tensor, time: float, later: float | None) -> Tensor:
        level = denoiser.level(torch.full((b,), time), noisy)
        if guidance_scale == 1:
            output = denoiser.output(noisy, level, condition)
        else:
            twice = level.rows(torch.arange(b, device=noisy.device).repeat(2))
            conditional, free = denoiser.output(torch.cat([noisy, noisy]), twice, both).chunk(2)
            output = free + guidance_scale * (conditional - free)
        clean = level.clean_from_output(noisy, output)
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
