"""The configuration of an open_clip model, `open_clip_config.json`.

Keys and enumerations are those of open_clip 3.3. Left out are keys that name files or code:
`bpe_path` and `additional_special_tokens` (a regular expression) of tokenizers, `cast_dtype`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import (
    Configuration,
    Epsilon,
    Heads,
    Layers,
    Pixels,
    Rate,
    Ratio,
    RepositoryName,
    Scalar,
    TokenId,
    Tokens,
    Vocabulary,
    Width,
    read_json,
)

Sides = Pixels | Annotated[list[Pixels], Field(min_length=2, max_length=2)]
#: A mean or a standard deviation of pixels: for each channel, or one for all.
Channels = (
    Annotated[float, Field(ge=-255, le=255)]
    | Annotated[list[Annotated[float, Field(ge=-255, le=255)]], Field(min_length=1, max_length=3)]
)
Deviations = (
    Annotated[float, Field(gt=0, le=255)]
    | Annotated[list[Annotated[float, Field(gt=0, le=255)]], Field(min_length=1, max_length=3)]
)
#: The name of an architecture of timm, perhaps with a tag; never a repository or a path.
ArchitectureName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,80}(\.[a-z0-9_]{1,80})?$")]


class Activation(Configuration):
    """Arguments of `nn.GELU`."""

    approximate: Literal["none", "tanh"] = "none"


class Norm(Configuration):
    """Arguments of the layer norms."""

    eps: Epsilon = 1e-5


class Transformer(Configuration):
    """What the image and the text tower have in common."""

    width: Width = 768
    mlp_ratio: Ratio = 4.0
    ls_init_value: Scalar | None = None
    final_ln_after_pool: bool = False
    output_tokens: bool = False
    act_kwargs: Activation | None = None
    norm_kwargs: Norm | None = None
    block_type: Literal["default", "custom"] | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False


class Vision(Transformer):
    """`vision_cfg`: a vision transformer, a ResNet, or an architecture of timm."""

    layers: Layers | Annotated[list[Layers], Field(min_length=4, max_length=4)] = 12
    head_width: Width = 64
    patch_size: Pixels | None = 16
    image_size: Sides = 224
    patch_dropout: Rate = 0.0
    attentional_pool: bool | Literal["parallel", "cascade"] = False
    attn_pooler_queries: Tokens = 256
    attn_pooler_heads: Heads = 8
    no_ln_pre: bool = False
    pos_embed_type: Literal["learnable", "sin_cos_2d"] = "learnable"
    pool_type: Literal["tok", "avg"] = "tok"
    timm_model_name: ArchitectureName | None = None
    timm_model_pretrained: bool = False
    timm_pool: Literal["", "avg", "max", "avgmax", "token", "map", "abs_attn", "rot_attn"] = "avg"
    timm_proj: Literal["", "linear", "mlp", "none"] | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: Rate = 0.0
    timm_drop_path: Rate | None = None


class TokenizerOptions(Configuration):
    """`tokenizer_kwargs`."""

    clean: Literal["lower", "whitespace", "canonicalize"] = "lower"
    strip_sep_token: bool = False
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z][a-z]{3})?$")] | None = None


class Text(Transformer):
    """`text_cfg`: a transformer, or a text encoder of transformers."""

    context_length: Tokens = 77
    vocab_size: Vocabulary = 49408
    hf_tokenizer_name: RepositoryName | None = None
    tokenizer_mode: Literal["", "clips"] | None = None
    tokenizer_kwargs: TokenizerOptions | None = None
    heads: Heads = 8
    layers: Layers = 12
    embed_cls: bool = False
    pad_id: TokenId = 0
    eos_id: TokenId = 2
    no_causal_mask: bool = False
    pool_type: Literal["first", "last", "argmax", "eos"] = "argmax"
    proj_bias: bool = False
    proj_type: Literal["linear", "none"] | None = "linear"
    hf_model_name: RepositoryName | None = None
    hf_model_pretrained: bool = True
    hf_proj_type: Literal["linear", "mlp"] | None = "mlp"
    hf_pooler_type: (
        Literal["mean_pooler", "max_pooler", "cls_pooler", "cls_last_hidden_state_pooler"] | None
    ) = "mean_pooler"


class Decoder(Text):
    """`multimodal_cfg`, the captioning decoder of CoCa."""

    dim_head: Width = 64
    n_queries: Tokens = 256
    attn_pooler_heads: Heads = 8


class ModelConfiguration(Configuration):
    """`model_cfg`."""

    embed_dim: Width
    vision_cfg: Vision
    text_cfg: Text
    multimodal_cfg: Decoder | None = None
    custom_text: bool = False
    quick_gelu: bool = False
    init_logit_scale: Scalar = 2.6592
    init_logit_bias: Scalar | None = None
    nonscalar_logit_scale: bool = False
    pad_id: TokenId = 0


class PreprocessingConfiguration(Configuration):
    """`preprocess_cfg`; null stands for a default."""

    size: Sides | None = None
    mode: Literal["RGB"] | None = None
    mean: Channels | None = None
    std: Deviations | None = None
    interpolation: Literal["bicubic", "bilinear", "random"] | None = None
    resize_mode: Literal["shortest", "squash", "longest"] | None = None
    fill_color: Annotated[int, Field(ge=0, le=255)] | None = None


class OpenClipConfiguration(Configuration):
    """`open_clip_config.json`."""

    model_cfg: ModelConfiguration
    preprocess_cfg: PreprocessingConfiguration | None = None


def read_openclip(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `model_cfg` and the given keys of the `preprocess_cfg` of an open_clip model.

    Raises:
        InputError: the file is not an open_clip configuration, or a key or value is not supported.
    """
    stored = read_json(path)
    if not isinstance(stored, dict) or not isinstance(stored.get("model_cfg"), dict):
        raise InputError(f"{path}: is not an open_clip configuration: it has no model_cfg")
    found = OpenClipConfiguration.check(stored, path)
    given = found.get("preprocess_cfg") or {}
    return found["model_cfg"], {key: value for key, value in given.items() if value is not None}
