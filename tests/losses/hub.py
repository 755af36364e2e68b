"""A cache of torch's hub with a network of random weights, named by their hash."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from guidance.encoders.towers.perceptual import LAYOUTS, _skeleton
from guidance.models import catalogue
from guidance.models.torch_hub import TorchFile


def play_hub(
    monkeypatch: pytest.MonkeyPatch, home: Path, network: str = "alex", *, published: bool = False
) -> Path:
    """Lays random convolutions where the real ones would be, and returns their file.

    Args:
        home: the new TORCH_HOME.
        published: lays the file beside the cache, where `guide models fetch` finds it.
    """
    monkeypatch.setenv("TORCH_HOME", str(home))
    features = _skeleton(LAYOUTS[network].build)
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in features.state_dict().items():
        spread = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
        tensors[f"features.{name}"] = spread * torch.randn(tensor.shape, generator=random)
    tensors["classifier.1.weight"] = torch.zeros(2)
    folder = home / "published" if published else home / "hub" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / "aside")
    digest = hashlib.sha256((folder / "aside").read_bytes()).hexdigest()
    path = (folder / "aside").rename(folder / f"tiny-{digest[:8]}.pth")
    replaced = tuple(
        dataclasses.replace(model, file=TorchFile(path.as_uri()))
        if model.name == LAYOUTS[network].model
        else model
        for model in catalogue.BACKBONES
    )
    monkeypatch.setattr(catalogue, "BACKBONES", replaced)
    return path
