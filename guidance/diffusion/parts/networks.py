"""How the network of each kind of diffusion model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.diffusion.base import Level

#: FLUX models distilled from guidance take its strength as an input. Guidance is done here, by
#: two answers, so theirs is left at what changes nothing.
FLUX_GUIDANCE = 1.0


def ask(
    network: nn.Module,
    kind: str,
    latents: Float[Tensor, "b c h w"],
    level: Level,
    inputs: Mapping[str, Tensor],
    *,
    pixels_a_latent: int,
) -> Float[Tensor, "b c h w"]:
    """The network's own answer, in its precision.

    Args:
        kind: the pipeline's class, a key of `guidance.diffusion.files.source.NETWORKS`.
        latents, inputs: in the network's precision; inputs are "words" and perhaps "pooled".
        pixels_a_latent: along a side; for models that are told the size of the image.
    """
    if kind == "FluxPipeline":
        return _ask_flux(network, latents, level, inputs)
    options: dict[str, Any] = {"encoder_hidden_states": inputs["words"], "return_dict": False}
    if kind == "StableDiffusion3Pipeline":
        options["pooled_projections"] = inputs["pooled"]
    else:
        latents = latents.contiguous(memory_format=torch.channels_last)
    if kind == "StableDiffusionXLPipeline":
        height, width = (pixels_a_latent * side for side in latents.shape[-2:])
        # The size that the image is said to have had, where it was cut, and its size.
        sizes = latents.new_tensor([height, width, 0, 0, height, width])
        options["added_cond_kwargs"] = {
            "text_embeds": inputs["pooled"],
            "time_ids": sizes.expand(len(latents), -1),
        }
    output: Tensor = network(latents, timestep=level.timestep, **options)[0]
    # Models that also learned the variance give it in the second half of the channels.
    return output[:, : latents.shape[1]]


def _ask_flux(
    network: Any,
    latents: Float[Tensor, "b c h w"],
    level: Level,
    inputs: Mapping[str, Tensor],
) -> Float[Tensor, "b c h w"]:
    """FLUX reads 2 x 2 latents as one token, its place as an id, and sigma itself as timestep."""
    b, c, h, w = latents.shape
    rows, columns = h // 2, w // 2
    tokens = latents.view(b, c, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
    place = torch.cartesian_prod(torch.arange(1), torch.arange(rows), torch.arange(columns))
    guidance = None
    if network.config.get("guidance_embeds"):
        guidance = latents.new_full((b,), FLUX_GUIDANCE)
    output: Tensor = network(
        hidden_states=tokens.reshape(b, rows * columns, 4 * c),
        timestep=level.sigma.flatten().to(latents.dtype),
        guidance=guidance,
        pooled_projections=inputs["pooled"],
        encoder_hidden_states=inputs["words"],
        txt_ids=latents.new_zeros(inputs["words"].shape[1], 3),
        img_ids=place.to(latents),
        return_dict=False,
    )[0]
    back = output.view(b, rows, columns, c, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return back.reshape(b, c, h, w)
