"""An open_clip model in training, with a compact embedding table that is expanded when saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import guidance.encoders.towers.mini  # noqa: F401 - registers the image towers, mends torchvision

FULL_VOCABULARY = 49_408  # rows of CLIP's BPE
CONTEXT = 32
TABLE = "token_embedding.weight"


def configuration(tower: str, size: int, text_width: int, embed_dim: int) -> dict[str, Any]:
    """What `open_clip_config.json` holds for one of the two image towers."""
    attention_pool = tower == "guidance_mini_judge"
    return {
        "model_cfg": {
            "embed_dim": embed_dim,
            "vision_cfg": {
                "timm_model_name": tower,
                "timm_model_pretrained": False,
                "timm_pool": "abs_attn" if attention_pool else "",
                "timm_proj": "" if attention_pool else "linear",
                "image_size": size,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": FULL_VOCABULARY,
                "width": text_width,
                "heads": 4,
                "layers": 3,
            },
        },
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "interpolation": "bilinear",
            "resize_mode": "squash",
        },
    }


def build(config: dict[str, Any], rows: int) -> nn.Module:
    """The untrained model with `rows` rows in its embedding table."""
    import open_clip

    model_cfg = json.loads(json.dumps(config["model_cfg"]))
    model_cfg["text_cfg"]["vocab_size"] = rows
    model = open_clip.CLIP(**model_cfg)
    return model.to(memory_format=torch.channels_last)


def normalized(images: Tensor, config: dict[str, Any]) -> Tensor:
    """Images in [0, 1] with the normalization of the tower."""
    preprocess = config["preprocess_cfg"]
    mean = torch.tensor(preprocess["mean"])[:, None, None]
    std = torch.tensor(preprocess["std"])[:, None, None]
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def encode_text(model: nn.Module, tokens: Tensor) -> Tensor:
    """Unit vectors `[b, d]` of compact tokens `[b, t]`, for any t up to the context.

    open_clip's own `CLIP.encode_text` with the positions and the causal mask cut to t: most
    captions are a quarter of the context. The plain attention kernel is several times faster
    here than the fused one, whose CPU backward is made for long texts.
    """
    t = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:t]
    with sdpa_kernel(SDPBackend.MATH):
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:t, :t]))
    x = x[torch.arange(len(tokens)), tokens.argmax(dim=-1)] @ model.text_projection
    return F.normalize(x.float(), dim=-1)


def encode_image(model: nn.Module, images: Tensor, config: dict[str, Any]) -> Tensor:
    """Unit vectors `[b, d]` of images `[b, 3, h, w]` in [0, 1], differentiable in both."""
    return F.normalize(model.visual(normalized(images, config)).float(), dim=-1)


def carry_over(state: dict[str, Tensor], rows: Tensor, model: nn.Module, new: Tensor) -> None:
    """Loads weights trained with another vocabulary: words known to both keep their rows.

    `rows` and `new` are the full-table positions of the old and the new compact tables.
    """
    state = dict(state)
    table = model.state_dict()[TABLE].clone()
    old_row = {token: i for i, token in enumerate(rows.tolist())}
    for i, token in enumerate(new.tolist()):
        if token in old_row:
            table[i] = state[TABLE][old_row[token]]
    state[TABLE] = table
    model.load_state_dict(state)


def published(folder: Path) -> tuple[dict[str, Tensor], Tensor, dict[str, Any]]:
    """The weights in a published folder with a compact table, its rows, and how it was trained."""
    from safetensors.torch import load_file

    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in load_file(folder / "open_clip_model.safetensors").items()
    }
    rows = state[TABLE].abs().sum(1).nonzero()[:, 0]
    state[TABLE] = state[TABLE][rows]
    return state, rows, json.loads((folder / "guidance.json").read_text())["training"]


def expanded(state: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """The weights with all 49,408 rows, in fp16; rows never trained are zero.

    A zero row has no effect; a random one would have a random effect.
    """
    full = torch.zeros(FULL_VOCABULARY, state[TABLE].shape[1])
    full[rows] = state[TABLE].float()
    whole = {**state, TABLE: full}
    return {
        name: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for name, value in whole.items()
    }
