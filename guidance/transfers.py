"""Copies from the host to a device that do not make the host wait, and constants on devices.

A GPU works through a queue. A copy of ordinary memory is made by the host itself, which first waits
until the queue is empty; a copy of pinned memory is added to the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

#: Types of devices that work through a queue.
QUEUED = {"cuda"}


def is_queued(device: torch.device) -> bool:
    """Whether the host has to wait for the device to read a value from it."""
    return device.type in QUEUED


def to_device(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor on a device, and in another dtype if one is given; copies from the host are queued.

    The tensor itself is returned if it is on the device already.
    """
    if tensor.device.type != "cpu" or not is_queued(device):
        return tensor.to(device, dtype)
    return tensor.to(dtype=dtype).pin_memory().to(device, non_blocking=True)


def together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of the host with one dtype on a device, in one queued copy."""
    if not is_queued(device):
        return [tensor.to(device) for tensor in tensors]
    flat = to_device(torch.cat([tensor.flatten() for tensor in tensors]), device)
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


@lru_cache(maxsize=1024)
@torch.inference_mode(False)
def constant(values: Any, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of constants on a device, created once; never change it in place.

    Args:
        values: a number, or tuples of numbers.
    """
    return to_device(torch.tensor(values, dtype=dtype), device)
