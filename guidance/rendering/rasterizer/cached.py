"""Values that are computed once for a tensor, such as tables of the faces of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Value = TypeVar("Value")


def once_per_tensor(compute: Callable[[Tensor], Value]) -> Callable[[Tensor], Value]:
    """Keeps the value of a function of a tensor for as long as the tensor lives unchanged.

    The faces of a mesh are the same tensor in every step, so their tables are made once. The value
    must not hold the tensor itself, which would then live forever.
    """
    known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    @wraps(compute)
    def cached(tensor: Tensor) -> Value:
        entry: tuple[int, Value] | None = known.get(tensor, None)  # type: ignore[no-untyped-call]
        if entry is None or entry[0] != tensor._version:
            known[tensor] = entry = (tensor._version, compute(tensor))
        return entry[1]

    return cached
