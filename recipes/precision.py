"""The precision of training: bfloat16 where the machine has instructions for it."""

from __future__ import annotations

import torch


def autocast(device: str) -> torch.autocast:
    """bfloat16 on GPUs and on CPUs that multiply in it, else float32.

    Without AVX512-BF16 or AMX torch converts number by number: a 3x3 convolution of 96 channels
    takes 0.68 s instead of 0.09 s in float32.
    """
    fast = device != "cpu"
    if not fast:
        told = torch.cpu.get_capabilities()
        fast = bool(told.get("avx512_bf16") or told.get("amx_bf16"))
    return torch.autocast(device, torch.bfloat16, enabled=fast)
