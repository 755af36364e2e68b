"""Configurations of image-text models of transformers: CLIP, and dual encoders such as MedCLIP's.

Only known keys reach the library; see `guidance.models.foreign.configuration`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import (
    Configuration,
    Epsilon,
    Heads,
    Layers,
    Pixels,
    Rate,
    Scalar,
    Width,
    read_json,
)
from guidance.models.foreign.text_encoders import CHECKED_ONLY, IGNORED, KINDS, Activation

#: The kinds of text encoders that may be part of such a model.
TEXT_KINDS = ("clip_text_model", "bert", "roberta", "xlm-roberta")
NEEDED = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
    "num_attention_heads",
)
TRAINING = frozenset(("initializer_range", "initializer_factor", "num_channels"))


class Vision(Configuration):
    """A vision transformer: CLIP's, or ViT."""

    ignored: ClassVar[frozenset[str]] = IGNORED | TRAINING
    model_type: Literal["clip_vision_model", "vit"]
    hidden_size: Width = 768
    intermediate_size: Width = 3072
    projection_dim: Width = 512
    num_hidden_layers: Layers = 12
    num_attention_heads: Heads = 12
    image_size: Pixels = 224
    patch_size: Pixels = 32
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: Epsilon = 1e-5
    attention_dropout: Rate = 0.0
    hidden_dropout_prob: Rate = 0.0
    attention_probs_dropout_prob: Rate = 0.0
    qkv_bias: bool = True
    pooler_output_size: Width | None = None
    pooler_act: Activation = "tanh"


class Dual(Configuration):
    """`config.json` of CLIP, and of vision-text-dual-encoder."""

    ignored: ClassVar[frozenset[str]] = IGNORED | TRAINING | {
        "text_config_dict", "vision_config_dict",
    }  # fmt: skip
    model_type: Literal["clip", "vision-text-dual-encoder"]
    text_config: dict[str, Any]
    vision_config: dict[str, Any]
    projection_dim: Width = 512
    logit_scale_init_value: Scalar = 2.6592


class Images(Configuration):
    """`preprocessor_config.json`, as far as it changes an image."""

    ignored: ClassVar[frozenset[str]] = frozenset(
        (
            "_processor_class", "_valid_processor_keys", "data_format", "device",
            "disable_grouping",
            "do_convert_rgb", "do_normalize", "do_rescale", "do_resize", "feature_extractor_type",
            "image_processor_type", "input_data_format", "processor_class", "rescale_factor",
            "return_tensors", "default_to_square", "pad_size", "do_pad", "size_divisor",
            "image_seq_length",
        )
    )  # fmt: skip
    size: int | dict[str, Pixels]
    crop_size: int | dict[str, Pixels] | None = None
    do_center_crop: bool | None = None
    resample: Literal[2, 3] | None = None
    image_mean: list[float] = Field(min_length=3, max_length=3)
    image_std: list[float] = Field(min_length=3, max_length=3)


def read_dual(path: Path) -> dict[str, Any]:
    """The checked `config.json` of an image-text model of transformers.

    Raises:
        InputError: another kind of model, or a key or value that is not supported.
    """
    from transformers import AutoConfig

    stored = read_json(path)
    kind = stored.get("model_type") if isinstance(stored, dict) else None
    if kind not in ("clip", "vision-text-dual-encoder"):
        raise InputError(
            f"{path}: expected model_type clip or vision-text-dual-encoder, got {kind!a:.60}"
        )
    found = Dual.check(stored, path)
    vision, text = found["vision_config"], found["text_config"]
    own = {"clip": ("clip_vision_model", "clip_text_model")}.get(kind, (None, None))
    vision = {"model_type": own[0], **vision} if own[0] else vision
    text = {"model_type": own[1], **text} if own[1] else text
    for part, kinds in ((vision, ("clip_vision_model", "vit")), (text, TEXT_KINDS)):
        if part.get("model_type") not in kinds:
            raise InputError(
                f"{path}: expected a part of type {' or '.join(kinds)}, got "
                f"{part.get('model_type')!a:.60}"
            )
    vision = Vision.check(vision, path, AutoConfig.for_model(vision["model_type"]).to_dict())
    defaults = AutoConfig.for_model(text["model_type"]).to_dict()
    # Files of CLIP omit what is the default.
    text = {**{key: defaults[key] for key in NEEDED}, **text}
    text = KINDS[text["model_type"]].check(text, path, defaults)
    text = {key: value for key, value in text.items() if key not in CHECKED_ONLY}
    return {**found, "vision_config": vision, "text_config": text}


def read_image_processor(path: Path) -> dict[str, Any]:
    """The keys of open_clip's `preprocess_cfg` of a `preprocessor_config.json`.

    Raises:
        InputError: a key or value that is not supported, or a crop of another size.
    """
    stored = read_json(path)
    stored = stored.get("image_processor", stored) if isinstance(stored, dict) else stored
    found = Images.check(stored, path)
    size, crop = found["size"], found.get("crop_size")
    size = {"shortest_edge": size} if isinstance(size, int) else size
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop or {}
    squash = "shortest_edge" not in size
    sides = {size.get("height"), size.get("width")} if squash else {size["shortest_edge"]}
    if found.get("do_center_crop") or not squash:
        sides |= {crop.get("height"), crop.get("width")}
    if len(sides) != 1 or None in sides:
        raise InputError(f"{path}: expected images and crops of one square size, got {sides}")
    return {
        "mean": found["image_mean"],
        "std": found["image_std"],
        "interpolation": "bilinear" if found.get("resample") == 2 else "bicubic",
        "resize_mode": "squash" if squash else "shortest",
    }
