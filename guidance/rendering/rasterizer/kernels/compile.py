"""The compilation of the kernels by numba.

numba's own parallel loops are not used: called from two threads at once, its default scheduler
terminates the process, and they take several times as long to compile. See `threads` instead.
Arrays are copied element by element: the copy of a slice compiles the message of an error of its
shapes, which takes longer than all kernels of a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guidance.compiled import compiled

Kernel = Callable[..., Any]


def kernel(function: Kernel) -> Kernel:
    """Compiles a function on its first call; see `guidance.compiled`.

    Kernels release the global interpreter lock.
    """
    return compiled(function, nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
