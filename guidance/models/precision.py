"""Precision and memory layout of frozen models, chosen by what the machine computes fastest."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import nn

from guidance.errors import InputError

#: "auto" is bf16 where the machine has instructions for it, and fp32 elsewhere.
Precision = Literal["auto", "fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """The dtype in which a frozen model runs on a device.

    Measured on two cores with AVX-512 bf16 (benchmarks/precision.py), forward and gradient to the
    input, bf16 against fp32: the embedded image tower 0.58, ViT-B/32 0.55, a denoiser of the size
    of SD 1.5 0.50, its autoencoder 0.60. Without such instructions bf16 is emulated and slower.

    Raises:
        InputError: an unknown precision.
    """
    if precision == "auto":
        return torch.bfloat16 if has_bf16(device.type) else torch.float32
    if precision not in DTYPES:
        raise InputError(f"precision {precision!r} is unknown; use auto, {', '.join(DTYPES)}")
    return DTYPES[precision]


@cache
def has_bf16(device_type: str) -> bool:
    """Whether devices of a type multiply matrices in bfloat16 by instructions of their own."""
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device_type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    return False


def settle(module: nn.Module, dtype: torch.dtype, *, channels_last: bool) -> None:
    """Converts the weights of a frozen module in place.

    Args:
        channels_last: stores the kernels of convolutions in that layout.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=layout)
