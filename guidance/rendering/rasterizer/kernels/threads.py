"""The distribution of kernel calls over the threads of torch."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")
#: The type of the function that GNU OpenMP calls on each of its threads.
ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def spread(work: Callable[[int], T], jobs: int) -> Sequence[T]:
    """The results of `work(0)` to `work(jobs - 1)`, in order, on as many threads as torch uses."""
    workers = min(jobs, torch.get_num_threads())
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    remaining = iter(range(jobs))

    def run_jobs() -> None:
        try:
            for job in remaining:
                results[job] = work(job)
        except BaseException as failure:  # raised again below, on the calling thread
            failures.append(failure)

    if workers <= 1:
        run_jobs()
    elif parallel := _torch_threads():
        parallel(ENTRY(lambda _: run_jobs()), None, workers, 0)
    else:
        pool = _pool(os.getpid(), workers - 1)
        others = [pool.submit(run_jobs) for _ in range(workers - 1)]
        run_jobs()
        wait(others)
    if failures:
        raise failures[0]
    return [results[job] for job in range(jobs)]


@cache
def _torch_threads() -> Callable[..., None] | None:
    """GNU OpenMP's function that runs another on the threads of torch's own operations.

    Those threads wait for work by spinning for milliseconds, so other threads would compete with
    them for the cores: a rendering after an encoder's step then takes 1.3 times as long. None if
    torch comes with another OpenMP, or without one.
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
    """A thread pool for each process, since threads do not survive a fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="guidance-render")
