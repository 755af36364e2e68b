"""Devices by the one name that they have."""

from __future__ import annotations

import torch


def indexed_device(device: str | torch.device) -> torch.device:
    """With the number that tensors there tell: "cuda" is "cuda:0", or another current one.

    What is shared by its device is asked for by both.
    """
    return torch.empty(0, device=device).device
