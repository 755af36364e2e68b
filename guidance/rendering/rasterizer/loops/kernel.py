"""How numba compiles our loops, and how they are spread over the processor's cores.

Kernels release the interpreter's lock, so a few plain threads run them side by side. numba's own
parallel loops are not used: called from two threads at once, its default scheduler ends the
process, and it takes several times as long to compile them.
"""

from __future__ import annotations

import ctypes
import inspect
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
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


def spread(work: Callable[[int], T], jobs: int) -> Sequence[T]:
    """`work(0)` to `work(jobs - 1)`, on as many threads as torch uses; results in order."""
    workers = min(jobs, torch.get_num_threads())
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    turns = iter(range(jobs))

    def take_turns() -> None:
        try:
            for job in turns:
                results[job] = work(job)
        except BaseException as failure:  # told to the caller below, whichever thread it was
            failures.append(failure)

    if workers <= 1:
        take_turns()
    elif parallel := _torch_threads():
        parallel(ENTRY(lambda _: take_turns()), None, workers, 0)
    else:
        pool = _pool(os.getpid(), workers - 1)
        others = [pool.submit(take_turns) for _ in range(workers - 1)]
        take_turns()
        wait(others)
    if failures:
        raise failures[0]
    return [results[job] for job in range(jobs)]


#: What GNU OpenMP calls on each of its threads.
ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _torch_threads() -> Callable[..., None] | None:
    """GNU OpenMP's way to run a function on the threads that torch's operations run on.

    Those wait for their next work by spinning for milliseconds, so threads of our own would share
    the cores with them: a rendering after an encoder's step then takes 1.3 times as long. None
    where torch brings another OpenMP, or none.
    """
    folder = Path(torch.__file__).parent
    found = [*folder.glob("lib/libgomp*.so*"), *folder.parent.glob("torch.libs/libgomp*.so*")]
    if len(found) != 1 or "OpenMP" not in torch.__config__.parallel_info():
        return None
    function = ctypes.CDLL(str(found[0])).GOMP_parallel
    function.argtypes = [ENTRY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    function.restype = None
    return function


@cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork, so each process has its own."""
    return ThreadPoolExecutor(workers, thread_name_prefix="guidance-render")
