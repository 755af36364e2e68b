"""Where NVIDIA GPUs may round float32 to TF32, which has 10 instead of 23 bits of mantissa.

Convolutions may, as is torch's default: their relative error is then about 5e-4, in models that are
no more exact than that. Products of matrices may not, because they compute positions: in images of
512 pixels, TF32 would move vertices by 0.05 pixels on average and by 0.17 at most, and pixels of
crops by 0.05 and 0.21 (measured by rounding on a CPU). It would save little: on such GPUs models
run in bfloat16, and the rest of a step has few products.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from guidance.transfers import is_queued


@contextmanager
def ieee_products(device: torch.device) -> Iterator[None]:
    """While entered, products of float32 matrices are not rounded to TF32 on this device."""
    if not is_queued(device):
        yield
        return
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before
