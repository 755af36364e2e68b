"""Memory that runs out anywhere in a run: a smaller micro-batch, or exit 5 and a valid checkpoint.

A profiler raises the error of torch's allocator, or Python's and numpy's MemoryError, at one of the
calls of functions of this package, from the building of the models to the last file. Either the run
finishes, with losses equal to 1e-5 to those of the undisturbed run, or it ends with exit 5 in one
line and resumes to the bits of the undisturbed run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.reliability.harness.children import ROOT, guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene, difference, resume, run_folder
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.harness.words import RUN

FULL = 20
OUT = 5
CLOSE = 1e-5
#: A micro-batch that can be halved, so that halving changes the order of sums. In bfloat16, this
#: order alone changes losses by up to 2e-4.
WORDS = (*RUN, "--micro-batch", "2", "--precision", "fp32")
#: Parts of the package that need memory worth speaking of.
PARTS = tuple(
    f"{ROOT}/guidance/{part}/"
    for part in ("loop", "losses", "encoders", "generators", "runs", "media", "evaluate", "augment")
)
#: What handles the error must not meet another one.
HANDLERS = ("atomic.py", "signals.py", "progress.py", "record.py")
TORCH = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4000000000 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS: dict[str, Callable[[], Exception]] = {
    "torch": lambda: RuntimeError(TORCH),
    "numpy": lambda: MemoryError("Unable to allocate 3.7 GiB for an array"),
}


def run(scene: Scene, count: int) -> Outcome:
    """Lets memory run out at that many places."""
    whole = scene.fresh("memory-whole")
    counted = whole / "calls"
    ended = guide([*WORDS, "--output", str(whole)], partial(_count, counted)).wait()
    folder = run_folder(whole)
    assert folder is not None, ended.errors
    calls = int(counted.read_text())
    # One call of each equal part of the run.
    draw = scene.draw("memory")
    places = [int((number + draw.random()) * calls / count) for number in range(count)]
    trials = [(number, place, list(ERRORS)[number % 2]) for number, place in enumerate(places)]
    return Outcome.of(spread(partial(_exhaust, scene, folder), trials), calls=calls)


def _exhaust(scene: Scene, whole: Path, trial: tuple[int, int, str]) -> Trial:
    number, place, kind = trial
    output = scene.fresh(f"memory-{number}")
    told = output / "where"
    prepare = partial(_raise_at, place, ERRORS[kind], told)
    ended = guide([*WORDS, "--output", str(output)], prepare).wait()
    where = told.read_text() if told.exists() else "nowhere"
    name = f"{kind}'s error in {where}"
    folder = run_folder(output)
    wrong = ended.complaint(0, OUT)
    if where == "nowhere":
        return Trial("nowhere", f"{name}: nothing was raised")
    if ended.code == 0 and not wrong:
        assert folder is not None
        wrong = _far(whole, folder)
        return Trial("a smaller micro-batch", wrong and f"{name}: {wrong}")
    if folder is None:
        return Trial("before the run folder", wrong and f"{name}: {wrong}")
    again = resume(folder)
    wrong = wrong or again.complaint(0) or difference(whole, folder)
    return Trial("resumed", wrong and f"{name}: {wrong}")


def _far(whole: Path, folder: Path) -> str:
    """The losses that differ by more than `CLOSE`, relative; an empty text if none does."""
    pairs = [(path / "metrics.jsonl").read_text().splitlines() for path in (whole, folder)]
    if len(pairs[0]) != len(pairs[1]):
        return f"{len(pairs[1])} lines of metrics instead of {len(pairs[0])}"
    for one, other in zip(*pairs, strict=True):
        a, b = (json.loads(line) for line in (one, other))
        found = [(a.get("loss"), b.get("loss")), *zip(*_values(a, b), strict=True)]
        for x, y in found:
            if x is not None and abs(x - y) > CLOSE * max(abs(x), 1):
                return f"step {a['step']}: {y} instead of {x}"
    return ""


def _values(*lines: dict[str, Any]) -> list[list[float]]:
    return [
        line.get("best_loss") or list(chain(*line.get("losses", {}).values())) for line in lines
    ]


def _counts(frame: FrameType, event: str) -> bool:
    if event != "call":
        return False
    code = frame.f_code
    inside = code.co_filename.startswith(PARTS) and not code.co_filename.endswith(HANDLERS)
    return inside and not code.co_name.startswith(("<", "__exit", "__del"))


def _count(counted: Path) -> None:
    calls = 0

    def profiler(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if _counts(frame, event):
            calls += 1
            if frame.f_code.co_name == "write_done":
                counted.write_text(str(calls))

    sys.setprofile(profiler)


def _raise_at(place: int, error: Callable[[], Exception], told: Path) -> None:
    calls = 0

    def profiler(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if not _counts(frame, event):
            return
        if calls == place:
            sys.setprofile(None)
            code = frame.f_code
            told.write_text(f"{Path(code.co_filename).name}:{code.co_qualname}")
            raise error()
        calls += 1

    sys.setprofile(profiler)
