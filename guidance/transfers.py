"""Copies between host and device that do not make the host wait."""

from __future__ import annotations

import torch
from torch import Tensor

#: Types of devices that work through a queue, to which copies of pinned memory can be added.
QUEUED = {"cuda"}


def is_queued(device: torch.device) -> bool:
    """Whether the host would wait for the device where it reads a value of it."""
    return device.type in QUEUED


def to_device(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of the host on a device, and in another dtype if one is given; the copy is queued.

    A tensor that is on the device already is returned as it is.
    """
    if tensor.device.type != "cpu" or not is_queued(device):
        return tensor.to(device, dtype)
    if dtype is not None:
        tensor = tensor.to(dtype)
    # Memory that is not pinned is copied by the host itself, after all that is queued before.
    return tensor.pin_memory().to(device, non_blocking=True)


def on_device(values: object, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A new tensor of numbers of the host on a device; the copy is queued."""
    return to_device(torch.tensor(values, dtype=dtype), device)
