"""Text encoders of transformers inside models of open_clip, from a checked configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guidance.encoders.files.library import import_open_clip
from guidance.models.foreign.places import check_places
from guidance.models.foreign.text_encoders import read_text_encoder

#: The kinds of text encoders that open_clip knows.
KINDS = ("bert", "roberta", "xlm-roberta", "mt5", "m2m_100")
#: Decoders are built with the encoder and dropped: they are as small as possible.
SMALLEST_DECODER: dict[str, dict[str, Any]] = {
    "mt5": {"num_decoder_layers": 1},
    "m2m_100": {"decoder_layers": 1, "decoder_ffn_dim": 1},
}


def text_layers(path: Path) -> int:
    """The number of layers that the configuration of a text encoder asks for.

    Raises:
        InputError: see `read_text_encoder`.
    """
    check_places(path.parent)
    found = read_text_encoder(path, *KINDS)
    keys = ("num_layers", "encoder_layers", "num_hidden_layers")
    return next(int(found[key]) for key in keys if key in found)


def build_text_tower(path: Path, text: Mapping[str, Any], width: int) -> nn.Module:
    """open_clip's text tower around an encoder of transformers, without weights.

    open_clip itself would let transformers read the folder, with the code that it may name.

    Args:
        path: the encoder's `config.json`.
        text: open_clip's `text_cfg`.
        width: of the vectors that the tower returns.

    Raises:
        InputError: see `read_text_encoder`.
    """
    import_open_clip(transformers=True)
    from open_clip.hf_model import HFTextEncoder
    from transformers import AutoConfig, AutoModel

    found = read_text_encoder(path, *KINDS)
    found |= SMALLEST_DECODER.get(found["model_type"], {})
    if "decoder_layers" in found:
        found["decoder_attention_heads"] = found["encoder_attention_heads"]
    config = AutoConfig.for_model(**found)
    pooler = text.get("hf_pooler_type", "mean_pooler")
    with torch.device("meta"):
        tower: nn.Module = HFTextEncoder(
            "",
            width,
            config=config,
            pooler_type=pooler,
            proj_type=text.get("hf_proj_type", "mlp"),
            output_tokens=text.get("output_tokens", False),
        )
    if config.is_encoder_decoder:
        encoder = AutoModel.from_config(config, trust_remote_code=False).encoder
    else:
        encoder = AutoModel.from_config(
            config, trust_remote_code=False, add_pooling_layer=pooler == "cls_pooler"
        )
    tower.transformer = encoder
    projection: Any = tower.proj
    tower.proj = projection.to_empty(device=torch.get_default_device())
    return tower
