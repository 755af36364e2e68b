"""Configurations of diffusion models in the layout of diffusers: the index and the networks.

Keys are those of diffusers 0.42. Keys that are ignored say how a network was saved or trained.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import (
    Configuration,
    Epsilon,
    Heads,
    Layers,
    Pixels,
    Rate,
    Repeats,
    Scalar,
    Width,
    read_json,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]{0,79}$")]
#: The library and the class of a part; null where the part is absent.
Part = Annotated[list[Name | None], Field(min_length=2, max_length=2)]
#: One value for all resolutions, or one for each.
MAX_RESOLUTIONS = 8
Per = Field(min_length=1, max_length=MAX_RESOLUTIONS)
Widths = Annotated[list[Width], Per]
Activation = Literal["gelu", "mish", "relu", "silu", "swish"]
Saved = frozenset(
    (
        "_class_name", "_diffusers_version", "_name_or_path", "_use_default_values",
        "decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step",
        "use_ema_warmup",
    )
)  # fmt: skip


class Index(Configuration):
    """`model_index.json`. Parts that are not needed for noise predictions are not loaded."""

    ignored: ClassVar[frozenset[str]] = frozenset(("_diffusers_version", "_name_or_path"))

    class_name: Name = Field(alias="_class_name")
    unet: Part | None = None
    transformer: Part | None = None
    vae: Part | None = None
    scheduler: Part | None = None
    text_encoder: Part | None = None
    text_encoder_2: Part | None = None
    text_encoder_3: Part | None = None
    tokenizer: Part | None = None
    tokenizer_2: Part | None = None
    tokenizer_3: Part | None = None
    safety_checker: Part | None = None
    feature_extractor: Part | None = None
    image_encoder: Part | None = None
    watermarker: Part | None = None
    requires_safety_checker: bool | Part | None = None
    force_zeros_for_empty_prompt: bool | None = None
    add_watermarker: bool | None = None


class UNet(Configuration):
    """UNet2DConditionModel."""

    ignored: ClassVar[frozenset[str]] = Saved

    sample_size: Pixels | Annotated[list[Pixels], Field(min_length=2, max_length=2)] | None = None
    in_channels: Width = 4
    out_channels: Width = 4
    center_input_sample: bool = False
    flip_sin_to_cos: bool = True
    freq_shift: Annotated[int, Field(ge=0, le=1)] = 0
    down_block_types: Annotated[
        list[
            Literal[
                "AttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D", "ResnetDownsampleBlock2D",
                "SimpleCrossAttnDownBlock2D",
            ]
        ],
        Per,
    ]  # fmt: skip
    mid_block_type: (
        Literal["UNetMidBlock2D", "UNetMidBlock2DCrossAttn", "UNetMidBlock2DSimpleCrossAttn"] | None
    ) = "UNetMidBlock2DCrossAttn"
    up_block_types: Annotated[
        list[
            Literal[
                "AttnUpBlock2D", "CrossAttnUpBlock2D", "ResnetUpsampleBlock2D",
                "SimpleCrossAttnUpBlock2D", "UpBlock2D",
            ]
        ],
        Per,
    ]  # fmt: skip
    only_cross_attention: bool | Annotated[list[bool], Per] = False
    block_out_channels: Widths
    layers_per_block: Repeats | Annotated[list[Repeats], Per] = 2
    downsample_padding: Annotated[int, Field(ge=0, le=8)] = 1
    mid_block_scale_factor: Scalar = 1
    dropout: Rate = 0.0
    act_fn: Activation = "silu"
    norm_num_groups: Width | None = 32
    norm_eps: Epsilon = 1e-5
    cross_attention_dim: Width | Widths = 1280
    transformer_layers_per_block: (
        Repeats | Annotated[list[Repeats | Annotated[list[Repeats], Per]], Per]
    ) = 1
    reverse_transformer_layers_per_block: (
        Annotated[list[Repeats | Annotated[list[Repeats], Per]], Per] | None
    ) = None
    encoder_hid_dim: Width | None = None
    encoder_hid_dim_type: Literal["text_proj"] | None = None
    attention_head_dim: Width | Widths | None = 8
    num_attention_heads: Heads | Annotated[list[Heads], Per] | None = None
    dual_cross_attention: bool = False
    use_linear_projection: bool = False
    class_embed_type: None = None
    addition_embed_type: Literal["text", "text_time"] | None = None
    addition_time_embed_dim: Width | None = None
    addition_embed_type_num_heads: Heads = 64
    num_class_embeds: None = None
    upcast_attention: bool | None = False
    resnet_time_scale_shift: Literal["default", "scale_shift"] = "default"
    resnet_skip_time_act: bool = False
    resnet_out_scale_factor: Scalar = 1.0
    time_embedding_type: Literal["positional"] = "positional"
    time_embedding_dim: Width | None = None
    time_embedding_act_fn: Activation | None = None
    timestep_post_act: Activation | None = None
    time_cond_proj_dim: Width | None = None
    conv_in_kernel: Annotated[int, Field(ge=1, le=15)] = 3
    conv_out_kernel: Annotated[int, Field(ge=1, le=15)] = 3
    projection_class_embeddings_input_dim: Width | None = None
    attention_type: Literal["default"] = "default"
    class_embeddings_concat: bool = False
    mid_block_only_cross_attention: bool | None = None
    cross_attention_norm: Literal["layer_norm", "group_norm"] | None = None


class SD3(Configuration):
    """SD3Transformer2DModel."""

    ignored: ClassVar[frozenset[str]] = Saved

    sample_size: Pixels = 128
    patch_size: Annotated[int, Field(ge=1, le=64)] = 2
    in_channels: Width = 16
    out_channels: Width | None = 16
    num_layers: Layers = 18
    attention_head_dim: Width = 64
    num_attention_heads: Heads = 18
    joint_attention_dim: Width = 4096
    caption_projection_dim: Width = 1152
    pooled_projection_dim: Width = 2048
    pos_embed_max_size: Annotated[int, Field(ge=1, le=1024)] = 96
    dual_attention_layers: Annotated[
        list[Annotated[int, Field(ge=0, le=256)]], Field(max_length=256)
    ] = Field([])
    qk_norm: Literal["layer_norm", "rms_norm"] | None = None


class Flux(Configuration):
    """FluxTransformer2DModel."""

    ignored: ClassVar[frozenset[str]] = Saved

    patch_size: Literal[1] = 1
    in_channels: Width = 64
    out_channels: Width | None = None
    num_layers: Layers = 19
    num_single_layers: Layers = 38
    attention_head_dim: Width = 128
    num_attention_heads: Heads = 24
    joint_attention_dim: Width = 4096
    pooled_projection_dim: Width = 768
    guidance_embeds: bool = False
    axes_dims_rope: Annotated[list[Width], Field(min_length=3, max_length=3)] = [16, 56, 56]  # noqa: RUF012


class Autoencoder(Configuration):
    """AutoencoderKL."""

    ignored: ClassVar[frozenset[str]] = Saved

    in_channels: Literal[3] = 3
    out_channels: Literal[3] = 3
    down_block_types: Annotated[list[Literal["DownEncoderBlock2D"]], Per]
    up_block_types: Annotated[list[Literal["UpDecoderBlock2D"]], Per]
    block_out_channels: Widths
    layers_per_block: Repeats = 1
    act_fn: Activation = "silu"
    latent_channels: Annotated[int, Field(ge=1, le=256)] = 4
    norm_num_groups: Width = 32
    sample_size: Pixels | Annotated[list[Pixels], Field(min_length=2, max_length=2)] = 32
    scaling_factor: Annotated[float, Field(gt=0, le=1e4)] = 0.18215
    shift_factor: Scalar | None = None
    latents_mean: Annotated[list[Scalar], Field(max_length=256)] | None = None
    latents_std: (
        Annotated[list[Annotated[float, Field(gt=0, le=1e6)]], Field(max_length=256)] | None
    ) = None
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True


class TinyAutoencoder(Configuration):
    """AutoencoderTiny."""

    ignored: ClassVar[frozenset[str]] = Saved

    in_channels: Literal[3] = 3
    out_channels: Literal[3] = 3
    encoder_block_out_channels: Widths = [64] * 4
    decoder_block_out_channels: Widths = [64] * 4
    block_out_channels: Widths | None = None
    act_fn: Activation = "relu"
    upsample_fn: Literal["nearest", "bilinear"] = "nearest"
    latent_channels: Annotated[int, Field(ge=1, le=256)] = 4
    upsampling_scaling_factor: Literal[2] = 2
    num_encoder_blocks: Annotated[list[Repeats], Per] = [1, 3, 3, 3]  # noqa: RUF012
    num_decoder_blocks: Annotated[list[Repeats], Per] = [3, 3, 3, 1]  # noqa: RUF012
    latent_magnitude: Annotated[int, Field(ge=1, le=1000)] = 3
    latent_shift: Scalar = 0.5
    force_upcast: bool = False
    scaling_factor: Annotated[float, Field(gt=0, le=1e4)] = 1.0
    shift_factor: Scalar = 0.0


#: The classes of networks and autoencoders.
KINDS: dict[str, type[Configuration]] = {
    "UNet2DConditionModel": UNet,
    "SD3Transformer2DModel": SD3,
    "FluxTransformer2DModel": Flux,
    "AutoencoderKL": Autoencoder,
    "AutoencoderTiny": TinyAutoencoder,
}


def read_network(path: Path, kind: str) -> dict[str, Any]:
    """The known keys of the configuration of a network or an autoencoder.

    Args:
        path: its `config.json`.
        kind: its class, a key of `KINDS`.

    Raises:
        InputError: the configuration is of another class, or has a key or value that is not
            supported.
    """
    stored = read_json(path)
    named = stored.get("_class_name", kind) if isinstance(stored, dict) else None
    if named != kind:
        raise InputError(f"{path}: expected the configuration of {kind}, got {named!a:.60}")
    found = KINDS[kind].check(stored, path, _defaults(kind))
    if kind == "AutoencoderKL":
        _check_latents(found, path)
    return found


def _defaults(kind: str) -> dict[str, Any]:
    """What the installed diffusers takes for the keys that a configuration does not give."""
    import diffusers

    known = inspect.signature(getattr(diffusers, kind).__init__).parameters
    return {name: parameter.default for name, parameter in known.items()}


def _check_latents(found: dict[str, Any], path: Path) -> None:
    """Statistics of latents: both are given, for each channel, and without another shift."""
    mean, std = found.get("latents_mean"), found.get("latents_std")
    if mean is None and std is None:
        return
    channels = found.get("latent_channels", 4)
    if mean is None or std is None or not len(mean) == len(std) == channels:
        raise InputError(
            f"{path}: expected latents_mean and latents_std with {channels} numbers each, one for "
            "each channel of the latents"
        )
    if found.get("shift_factor"):
        raise InputError(f"{path}: expected latents_mean or shift_factor, got both")
