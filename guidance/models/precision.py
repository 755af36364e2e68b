"""The precision in which frozen networks compute, chosen by the machine and by the network.

Measured on two cores of an AMD EPYC with AVX-512 bfloat16, forward and gradient to the input,
bfloat16 / float32: mini 0.58 (10 crops), ViT-B-16-SigLIP 0.30, ConvNeXt base 0.48, RN50 0.72, a
UNet of half the width of Stable Diffusion's 0.64 and an AutoencoderKL 0.57. The cosine between
both gradients is at least 0.9999 for smooth activations (GELU, SiLU), and 0.990 to 0.997 for ReLU
(RN50, mini-judge, AutoencoderTiny): rounding moves values across its kink, so that gradients of
whole units vanish or appear. Where a CPU has no bfloat16 instructions, torch converts number by
number, and bfloat16 is several times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch
from torch import nn

from guidance.errors import InputError

Precision = Literal["auto", "fp32", "bf16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

_chosen: ContextVar[str] = ContextVar("precision", default="auto")


@contextmanager
def use_precision(precision: Precision) -> Iterator[None]:
    """Within it, "auto" means this precision, e.g. that of `guide run --precision fp32`.

    "auto" itself changes nothing.
    """
    before = _chosen.set(resolved(precision))
    try:
        yield
    finally:
        _chosen.reset(before)


def dtype_of(precision: str, device: torch.device, network: nn.Module | None = None) -> torch.dtype:
    """The dtype in which a frozen network computes on a device.

    Args:
        precision: "fp32", "bf16" or "auto": that of `use_precision`, by default bfloat16 where the
            device multiplies in it and the network has no ReLU, and float32 elsewhere.
        network: what computes; None for one without ReLU.

    Raises:
        InputError: an unknown precision.
    """
    if precision == "auto":
        precision = _chosen.get()
    if precision == "auto":
        exact = network is not None and any(isinstance(m, nn.ReLU) for m in network.modules())
        precision = "bf16" if multiplies_bf16(device) and not exact else "fp32"
    if precision not in DTYPES:
        raise InputError(f"precision {precision!r} is unknown; use auto, fp32 or bf16")
    return DTYPES[precision]


def resolved(precision: str) -> str:
    """The precision that loaders are asked for: "auto" becomes that of `use_precision`."""
    return _chosen.get() if precision == "auto" else precision


def multiplies_bf16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster than those of float32 on a device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
