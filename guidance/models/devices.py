"""Names of devices."""

from __future__ import annotations

import torch

from guidance.errors import InputError


def find_device(name: str) -> str:
    """The device of that name; "auto" is CUDA, else MPS, else the CPU.

    Raises:
        InputError: there is no such device on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    # A build of torch without CUDA raises an AssertionError.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(f"device {name!r} is not available ({reason}); use cpu") from None
    return name


def indexed_device(device: str | torch.device) -> torch.device:
    """The device with its index, as tensors report it: "cuda" becomes "cuda:0", for example.

    Caches that are keyed by device use this form.
    """
    return torch.empty(0, device=device).device
