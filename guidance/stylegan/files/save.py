"""Saving of StyleGAN networks: `config.json` and `model.safetensors` in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from guidance.stylegan.networks.network import StyleGAN


def save_stylegan(network: StyleGAN, folder: Path) -> None:
    """Writes a network that `load_stylegan` reads; existing files are overwritten."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: x.detach().cpu().contiguous() for name, x in network.state_dict().items()}
    weights, config = folder / "model.safetensors", folder / "config.json"
    save_file(tensors, weights)
    text = json.dumps(network.config.model_dump(), indent=2)
    config.write_text(text + "\n", encoding="utf-8")
    weights.chmod(config.stat().st_mode)  # safetensors lets the user alone read it
