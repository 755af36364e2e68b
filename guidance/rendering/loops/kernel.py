"""How numba compiles our loops, and how they are spread over the processor's cores.

Kernels release the interpreter's lock, so a few plain threads run them side by side. numba's own
parallel loops are not used: called from two threads at once, its default scheduler ends the
process, and it takes several times as long to compile them.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numba
import torch

T = TypeVar("T")
Kernel = Callable[..., Any]


def kernel(function: Kernel) -> Kernel:
    """Compiles a function on its first call and keeps the code on disk for the next process.

    numba keeps it beside the source, or in the user's cache folder where that cannot be written.
    Where neither can be, each process compiles anew.
    """
    # Tests wrap every function to check its annotations, which numba cannot see through.
    plain = inspect.unwrap(function)
    options = {"nogil": True, "fastmath": {"contract", "arcp", "nsz"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(plain)  # type: ignore[no-any-return]
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return numba.njit(**options)(plain)  # type: ignore[no-any-return]


def spread(work: Callable[[int], T], jobs: int) -> Sequence[T]:
    """`work(0)` to `work(jobs - 1)`, on as many threads as torch uses; results in order."""
    workers = min(jobs, torch.get_num_threads())
    if workers <= 1:
        return [work(job) for job in range(jobs)]
    return list(_pool(os.getpid(), workers).map(work, range(jobs)))


@cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork, so each process has its own."""
    return ThreadPoolExecutor(workers, thread_name_prefix="guidance-render")
