"""The compilation of the kernels by numba.

numba's own parallel loops are not used: called from two threads at once, its default scheduler
terminates the process, and they take several times as long to compile. See `threads` instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numba

Kernel = Callable[..., Any]


def kernel(function: Kernel) -> Kernel:
    """Compiles a function on its first call and caches the code on disk for later processes.

    numba writes the cache beside the source, or to the user's cache folder if that is not writable.
    If neither is writable, each process compiles again. Kernels release the global interpreter
    lock.
    """
    # Under pytest, functions are wrapped to check their annotations; numba needs the original.
    plain = inspect.unwrap(function)
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": {"contract", "arcp", "nsz"},
        "error_model": "numpy",
    }
    try:
        return numba.njit(cache=True, **options)(plain)  # type: ignore[no-any-return]
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return numba.njit(**options)(plain)  # type: ignore[no-any-return]
