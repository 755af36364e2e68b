"""What every benchmark shares: ratios of alternating pairs, and the line they end with."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def machine() -> str:
    """The processor, as torch and the system name it."""
    able = torch.cpu.get_capabilities()
    name = able.get("cpu_name", platform.processor())
    matrix = " with AMX" if able.get("amx_bf16") else ""
    return f"{name}{matrix}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def seconds_of(work: Callable[[], object]) -> float:
    """How long one call takes, on the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio_of_alternating(
    a: Callable[[], object], b: Callable[[], object], repeats: int, warm_up: int = 2
) -> float:
    """Time of `a` over time of `b`: the median of the ratios of pairs that alternate.

    What disturbs the machine then disturbs both, and one bad pair does not count.
    """
    pairs = [(seconds_of(a), seconds_of(b)) for _ in range(warm_up + repeats)][warm_up:]
    slow, fast = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{1e3 * slow:.2f} ms against {1e3 * fast:.2f} ms (medians of {repeats})")
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
    """Prints the last line of a benchmark, one JSON object; says whether the bar holds."""
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
