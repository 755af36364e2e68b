"""Many steps and many runs in one process: its memory stays flat.

One child does one long run; another does a tenth as many short runs, one after the other. The slope
is that of the memory over the second half, by least squares, after what is loaded once.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reliability.harness.children import fork
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene
from benchmarks.reliability.harness.warm import spread

#: Steps of the long run; a tenth as many short runs.
FULL = 3000
RUNS = 10
#: Growth over the second half, in megabytes, that still counts as flat: noise of the allocator.
FLAT = 4.0
SMALL = ("--prompt", "a red heart", "--contrastive-weight", "0", "--size", "16", "--crops", "1")


def run(scene: Scene, count: int) -> Outcome:
    """Does a run of that many steps, and a tenth as many runs."""
    works = [("steps", count), ("runs", max(2, count // RUNS))]
    found = spread(partial(_soak, scene), works)
    slopes = {f"kilobytes_per_{kind[:-1]}": line["slope"] for (kind, _), line in found}
    held = {f"megabytes_after_{kind}": line["megabytes"] for (kind, _), line in found}
    return Outcome.of((line["trial"] for _, line in found), **dict(works), **slopes, **held)


def _soak(scene: Scene, work: tuple[str, int]) -> tuple[tuple[str, int], dict[str, Any]]:
    kind, count = work
    base = scene.fresh(f"soak-{kind}")
    log = base / "log"
    child: Callable[[Path, Path, int], int] = _many_steps if kind == "steps" else _many_runs
    ended = fork(partial(child, base, log, count)).wait(1800)
    held = [tuple(line) for line in json.loads(log.read_text())] if log.exists() else []
    wrong = ended.complaint(0)
    half = held[len(held) // 2 :]
    slope = _slope(half)
    growth = slope * (half[-1][0] - half[0][0]) if half else 0.0
    if not wrong and growth > FLAT:
        wrong = f"{growth:.1f} MB more after the second half of {count} {kind}"
    line = {"slope": round(1024 * slope, 2), "megabytes": round(held[-1][1]) if held else None}
    result = f"flat over {kind}" if not wrong else f"grew over {kind}"
    return work, {**line, "trial": Trial(result, wrong)}


def _many_steps(base: Path, log: Path, count: int) -> int:
    """One run; memory is noted at each hundredth of it."""
    from guidance.commands.run import find_task, parse_task
    from guidance.loop.events import StepEvent

    held: list[tuple[int, float]] = []

    def listen(event: Any) -> None:
        if isinstance(event, StepEvent) and event.step % max(1, count // 100) == 0:
            held.append((event.step, _megabytes()))

    words = ["text2image", *SMALL, "--steps", str(count), "--output", str(base), "--device", "cpu"]
    parse_task(find_task("text2image"), "text2image", words[1:]).run([listen])
    log.write_text(json.dumps(held))
    return 0


def _many_runs(base: Path, log: Path, count: int) -> int:
    """Many runs by the command line; memory is noted after each."""
    from guidance.cli import main

    held: list[tuple[int, float]] = []
    words = ["run", "text2image", *SMALL, "--steps", "2", "--device", "cpu"]
    for number in range(count):
        with contextlib.suppress(SystemExit):
            main([*words, "--seed", str(number), "--output", str(base / "out")])
        shutil.rmtree(base / "out")
        gc.collect()
        held.append((number, _megabytes()))
    log.write_text(json.dumps(held))
    return 0


def _megabytes() -> float:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _slope(points: list[tuple[int, float]]) -> float:
    """Megabytes per unit, by least squares."""
    if len(points) < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    above: float = sum((x - mean_x) * (y - mean_y) for x, y in points)
    along: float = sum((x - mean_x) ** 2 for x, _ in points)
    return above / along
