"""Tiny random-weight models, saved as the real ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from guidance.models.torchvision import import_torchvision

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
SIGLIP = CLIP | {
    "init_logit_bias": -10,
    "custom_text": True,
    "text_cfg": CLIP["text_cfg"]
    | {"vocab_size": 32, "pool_type": "last", "no_causal_mask": True, "proj_bias": True},
}


def build(config: dict[str, Any], seed: int = 0) -> nn.Module:
    """open_clip's own model, in evaluation mode, to compare with."""
    import_torchvision()
    import open_clip

    torch.manual_seed(seed)
    config = dict(config)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    model = kind(**config).eval()
    # Random weights of open_clip's initialization give nearly the same vector for everything.
    with torch.no_grad():
        for parameter in model.visual.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model


def save(
    folder: Path,
    model: nn.Module,
    config: dict[str, Any],
    *,
    preprocessing: dict[str, Any] | None = None,
    card: dict[str, Any] | None = None,
) -> Path:
    """Writes the folder that `local-dir:` and the hub's snapshots have."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    stored = {"model_cfg": config, "preprocess_cfg": preprocessing or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stored))
    if card is not None:
        (folder / "guidance.json").write_text(json.dumps(card))
    return folder


def snapshot(cache: Path, repository: str, commit: str = "c0ffee", revision: str = "main") -> Path:
    """An empty snapshot in a hub cache, laid out as huggingface_hub does."""
    root = cache / f"models--{repository.replace('/', '--')}"
    folder = root / "snapshots" / commit
    folder.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / revision).write_text(commit)
    return folder
