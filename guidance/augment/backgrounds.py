"""Random backgrounds behind transparent images, different for each crop."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.augment.grain import Grain
from guidance.transfers import to_device

#: "none" is plain white. The others follow Dream Fields (Jain et al. 2022, section 3.3), where
#: random backgrounds prevent density from filling the whole volume.
Kind = Literal["solid", "checker", "noise", "blur", "none"]
KINDS: tuple[Kind, ...] = ("solid", "checker", "noise", "blur", "none")

FIELD = 6  # cells per side of the random field that is enlarged for "blur"
MAX_CELLS = 12  # squares per side of the finest checkerboard; the coarsest has 2
NUM_DRAWS = 9 + 3 * FIELD * FIELD  # two colors, cells and phase of the checkerboard, the field


def paint(
    kinds: Int[Tensor, "b"],
    draws: Float[Tensor, "b draws"],
    grain: Grain | None,
    size: int,
) -> Float[Tensor, "b 3 {size} {size}"]:
    """Backgrounds in [0, 1], without gradient.

    Args:
        kinds: indices into KINDS, on the CPU, so that grouping them needs no synchronization.
        draws: NUM_DRAWS numbers in [0, 1) per crop.
        grain: noise, used by the kind "noise" only.
    """
    canvas = draws.new_empty(len(kinds), 3, size, size)
    for index, kind in enumerate(KINDS):
        where = to_device((kinds == index).nonzero().flatten(), draws.device)
        if not len(where):
            continue
        chosen = draws[where]
        if kind == "none":
            canvas[where] = 1.0
        elif kind == "solid":
            canvas[where] = chosen[:, :3, None, None].expand(-1, -1, size, size)
        elif kind == "checker":
            canvas[where] = _checker(chosen, size)
        elif kind == "blur":
            # Two small products enlarge the field 10 times faster than one operation.
            line = _enlarging(size, draws.device, draws.dtype)
            field = chosen[:, 9:].view(-1, 3, FIELD, FIELD)
            canvas[where] = (line @ field @ line.mT).clamp_(0, 1)
        else:
            assert grain is not None
            canvas[where] = grain.windows(where).mul_(0.25).add_(0.5).clamp_(0, 1)
    return canvas


def _checker(draws: Float[Tensor, "b draws"], size: int) -> Float[Tensor, "b 3 {size} {size}"]:
    cells = 2 + draws[:, 6:7] * (MAX_CELLS - 2)
    line = torch.arange(size, device=draws.device, dtype=draws.dtype) / size
    column, row = ((line * cells + 2 * draws[:, i : i + 1]).floor() % 2 for i in (7, 8))
    odd = column[:, None, None, :] != row[:, None, :, None]
    return torch.where(odd, draws[:, :3, None, None], draws[:, 3:6, None, None])


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _enlarging(
    size: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "{size} cells"]:
    """Bicubic enlargement of the field along one axis, as a matrix."""
    eye = torch.eye(FIELD, device=device, dtype=dtype)[None, None]
    return F.interpolate(eye, (size, FIELD), mode="bicubic")[0, 0]
