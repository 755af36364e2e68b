"""Which channels of a direction are kept."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.errors import InputError


def count_mask(flat: Float[Tensor, "c"], count: int) -> Bool[Tensor, "c"]:
    """The `count` largest absolute values; all if there are fewer.

    Raises:
        InputError: a count below 1.
    """
    if count < 1:
        raise InputError(f"count {count}: expected 1 or more channels")
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[flat.abs().topk(min(count, len(flat))).indices] = True
    return mask


def beta_mask(flat: Float[Tensor, "c"], beta: float) -> Bool[Tensor, "c"]:
    """The absolute values of at least `beta` times the largest one.

    Raises:
        InputError: beta outside [0, 1].
    """
    if not 0 <= beta <= 1:
        raise InputError(f"beta {beta:g}: expected 0 (all channels) to 1 (only the strongest)")
    sizes = flat.abs()
    return sizes >= beta * sizes.max()
