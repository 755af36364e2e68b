"""Adam and SGD, which do not import torch's compiler.

`torch.optim` marks its methods as not to be compiled. At their first call, the mark imports
torch._dynamo, which takes more than a second; nothing here compiles an optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer


def new_optimizer(
    name: str, groups: Iterable[Mapping[str, Any]], *, on_gpu: bool
) -> torch.optim.Optimizer:
    """Adam, or SGD with Nesterov momentum.

    Args:
        name: "adam" or "sgd".
        groups: parameters with their learning rates.
        on_gpu: all parameters are on a GPU, where fused updates skip steps that are not finite.
    """
    copies = [dict(group) for group in groups]
    if name == "sgd":
        return SGD(copies, momentum=0.9, nesterov=True, fused=on_gpu or None)
    fused = on_gpu or all(p.device.type == "cpu" for group in copies for p in group["params"])
    return Adam(copies, fused=fused)


class _Unmarked(Optimizer):
    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)


class Adam(_Unmarked, torch.optim.Adam):
    """`torch.optim.Adam`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update."""
        return _ADAM_STEP(self, closure)


class SGD(_Unmarked, torch.optim.SGD):
    """`torch.optim.SGD`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update."""
        return _SGD_STEP(self, closure)


_ADAM_STEP = inspect.unwrap(torch.optim.Adam.step)
_SGD_STEP = inspect.unwrap(torch.optim.SGD.step)
