"""SIGKILL at any moment: every run resumes to the bits of the uninterrupted one.

Seven of ten children are killed at a random moment. The others die inside a checkpoint write: at
one of the calls that it makes, or at a random byte, where the kernel ends the process in the middle
of a write (RLIMIT_FSIZE with SIGXFSZ at its default).
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.reliability.harness.children import guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene, resumed, run_folder
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.harness.words import RUN

FULL = 100
#: What the kills of each ten hit.
KINDS = (*("time",) * 7, "call", "call", "byte")


def run(scene: Scene, count: int) -> Outcome:
    """Kills and resumes that many runs."""
    size = (scene.whole / "checkpoint.safetensors").stat().st_size
    spans = {"time": 0.9 * scene.seconds, "call": _count_calls(scene), "byte": size}
    draw = scene.draw("kill")
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    trials = [(number, kind, draw.uniform(0, spans[kind])) for number, kind in enumerate(kinds)]
    found = spread(partial(_kill, scene), trials)
    return Outcome.of(found, inside_a_checkpoint_write=sum(kind != "time" for kind in kinds))


def _kill(scene: Scene, trial: tuple[int, str, float]) -> Trial:
    number, kind, at = trial
    output = scene.fresh(f"kill-{number}")
    name = f"{kind} {at:.3g}"
    code = _killed(output, at) if kind == "time" else _dead_inside(output, kind, int(at))
    folder = run_folder(output)
    if code >= 0 or folder is None:
        return Trial("not killed", f"kill at {name}: was not killed, exit {code}")
    had = "with" if (folder / "checkpoint.json").exists() else "without"
    wrong = resumed(scene.whole, folder)
    return Trial(f"killed {had} a checkpoint", wrong and f"kill at {name}: {wrong}")


def _killed(output: Path, after: float) -> int:
    """Kills a run some seconds after its folder appeared; returns the code."""
    for _ in range(10):
        shutil.rmtree(output)
        child = guide([*RUN, "--output", str(output)])
        while run_folder(output) is None and not child.poll():
            time.sleep(0.002)
        time.sleep(after)
        child.send(signal.SIGKILL)
        code = child.wait().code
        if code < 0:
            break
        after *= 0.7  # it had ended already
    return code


def _dead_inside(output: Path, kind: str, at: int) -> int:
    """Lets a run die inside a checkpoint write; returns the code."""
    return guide([*RUN, "--output", str(output)], partial(_arm, kind, at)).wait().code


def _arm(kind: str, at: int) -> None:
    """Makes this process die inside its checkpoint writes."""
    from guidance.runs import checkpoint

    save, counter = checkpoint.save, _Counter(at)

    def dying(folder: Path, *arguments: Any, **options: Any) -> Any:
        if kind == "byte":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (at, resource.RLIM_INFINITY))
            return save(folder, *arguments, **options)
        sys.setprofile(counter)
        try:
            return save(folder, *arguments, **options)
        finally:
            sys.setprofile(None)

    checkpoint.save = dying


class _Counter:
    """A profiler that counts the calls into C, and kills the process at one of them."""

    def __init__(self, last: float) -> None:
        self.last, self.calls = last, 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            if self.calls >= self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            self.calls += 1


def _count_calls(scene: Scene) -> int:
    """How many calls into C the checkpoint writes of a run make."""
    from guidance.runs import checkpoint

    counted = scene.fresh("count") / "calls"
    output = scene.fresh("count-run")

    def prepare() -> None:
        save, counter = checkpoint.save, _Counter(float("inf"))

        def counting(*arguments: Any, **options: Any) -> Any:
            sys.setprofile(counter)
            try:
                return save(*arguments, **options)
            finally:
                sys.setprofile(None)
                counted.write_text(str(counter.calls))

        checkpoint.save = counting

    guide([*RUN, "--output", str(output)], prepare).wait()
    return int(counted.read_text())
