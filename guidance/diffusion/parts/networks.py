"""The forward pass of the network of each kind of diffusion model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.diffusion.base import Level
from guidance.errors import InputError

#: Guidance-distilled FLUX models take the guidance scale as an input. Guidance is applied outside
#: the network, with two passes, so the input is set to no guidance.
FLUX_GUIDANCE = 1.0


def check_channels(network: Any, autoencoder: Any, kind: str, where: str) -> None:
    """Checks that a network takes the latents of its autoencoder.

    Raises:
        InputError: it has another number of channels, as networks for inpainting do.
    """
    latent = 3 if autoencoder is None else autoencoder.config["latent_channels"]
    wanted = 4 * latent if kind == "FluxPipeline" else latent
    have = network.config["in_channels"]
    if have != wanted:
        raise InputError(
            f"{where}: its network takes {have} channels, but expected {wanted} for latents of "
            f"{latent}; networks for inpainting and editing are not supported"
        )


def check_widths(network: Any, kind: str, inputs: Mapping[str, Tensor], where: str) -> None:
    """Checks that a network takes the encoded texts of its text encoders.

    Raises:
        InputError: their vectors have another width.
    """
    config = network.config
    wanted = {"embeddings": config.get("joint_attention_dim"), "pooled": None}
    wanted["pooled"] = config.get("pooled_projection_dim")
    if wanted["embeddings"] is None:
        wanted["embeddings"] = config.get("encoder_hid_dim") or config.get("cross_attention_dim")
    if kind == "StableDiffusionXLPipeline":
        total = config.get("projection_class_embeddings_input_dim") or 0
        wanted["pooled"] = total - 6 * (config.get("addition_time_embed_dim") or 0)
    for name, width in wanted.items():
        if name in inputs and isinstance(width, int) and inputs[name].shape[-1] != width:
            raise InputError(
                f"{where}: its text encoders give vectors of {inputs[name].shape[-1]} numbers, but "
                f"its network takes {width}; they do not belong together"
            )


def run_network(
    network: nn.Module,
    kind: str,
    latents: Float[Tensor, "b c h w"],
    level: Level,
    inputs: Mapping[str, Tensor],
    *,
    pixels_per_latent: int,
) -> Float[Tensor, "b c h w"]:
    """The output of the network, in its precision.

    Args:
        network: the network.
        kind: the class of the pipeline, a key of `guidance.diffusion.files.source.NETWORKS`.
        latents: noisy latents in the network's precision.
        level: their noise level.
        inputs: encoded texts in the network's precision: "embeddings", and "pooled" where the
            network takes it.
        pixels_per_latent: along a side; for networks that take the size of the image.
    """
    if kind == "FluxPipeline":
        return _run_flux(network, latents, level, inputs)
    options: dict[str, Any] = {"encoder_hidden_states": inputs["embeddings"], "return_dict": False}
    if kind == "StableDiffusion3Pipeline":
        options["pooled_projections"] = inputs["pooled"]
    if kind == "StableDiffusionXLPipeline":
        height, width = (pixels_per_latent * side for side in latents.shape[-2:])
        # The original size, the position of the crop, and the target size.
        sizes = latents.new_tensor([height, width, 0, 0, height, width])
        options["added_cond_kwargs"] = {
            "text_embeds": inputs["pooled"],
            "time_ids": sizes.expand(len(latents), -1),
        }
    output: Tensor = network(latents, timestep=level.timestep, **options)[0]
    # Models with a learned variance return it in the second half of the channels.
    return output[:, : latents.shape[1]]


def _run_flux(
    network: Any,
    latents: Float[Tensor, "b c h w"],
    level: Level,
    inputs: Mapping[str, Tensor],
) -> Float[Tensor, "b c h w"]:
    """FLUX takes 2 x 2 latents as one token, its position as an id, and sigma as timestep."""
    b, c, h, w = latents.shape
    rows, columns = h // 2, w // 2
    tokens = latents.view(b, c, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
    position = torch.cartesian_prod(torch.arange(1), torch.arange(rows), torch.arange(columns))
    guidance = None
    if network.config.get("guidance_embeds"):
        guidance = latents.new_full((b,), FLUX_GUIDANCE)
    output: Tensor = network(
        hidden_states=tokens.reshape(b, rows * columns, 4 * c),
        timestep=level.sigma.flatten().to(latents.dtype),
        guidance=guidance,
        pooled_projections=inputs["pooled"],
        encoder_hidden_states=inputs["embeddings"],
        txt_ids=latents.new_zeros(inputs["embeddings"].shape[1], 3),
        img_ids=position.to(latents),
        return_dict=False,
    )[0]
    back = output.view(b, rows, columns, c, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return back.reshape(b, c, h, w)
