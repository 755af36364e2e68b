"""Shared by all benchmarks: ratios of alternating pairs, and the last line of the output."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def machine() -> str:
    """The processor, its number of threads and the version of torch, for results."""
    able = torch.cpu.get_capabilities()
    name = able.get("cpu_name", platform.processor())
    matrix = " with AMX" if able.get("amx_bf16") else ""
    return f"{name}{matrix}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio_of_alternating(
    a: Callable[[], object], b: Callable[[], object], repeats: int, warm_up: int = 2
) -> float:
    """The time of `a` divided by that of `b`: the median over pairs of alternating calls.

    Other load on the machine then affects both, and single outliers do not change the median.
    """
    pairs = [(seconds_of(a), seconds_of(b)) for _ in range(warm_up + repeats)][warm_up:]
    slow, fast = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{1e3 * slow:.2f} ms and {1e3 * fast:.2f} ms (medians of {repeats})")
    return statistics.median(first / second for first, second in pairs)


def report(
    name: str,
    value: float,
    unit: str,
    bar: float,
    *,
    lower_is_better: bool = True,
    more: Mapping[str, float] | None = None,
) -> bool:
    """Prints the result as one line of JSON; returns whether the value meets the bar."""
    holds = value <= bar if lower_is_better else value >= bar
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "bar": bar,
        "holds": holds,
        **(more or {}),
        "machine": machine(),
    }
    print(json.dumps(line))
    return holds
