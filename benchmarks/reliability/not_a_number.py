"""NaN and infinity at many steps: each is skipped and counted, and nothing else changes.

A loss that is added to the real one is non-finite at chosen steps: in its value, or in its gradient
only. Every such step must leave the parameters as they were. A tenth of the runs break down for
good: ten bad steps in a row roll back once, the next ten end with exit 4, naming step and loss.
"""

from __future__ import annotations

import math
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reliability.harness.children import fork
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene
from benchmarks.reliability.harness.warm import spread

FULL = 200
#: Steps of one run, and how many of them are bad.
STEPS, BAD = 16, 5
KINDS = ("nan", "inf", "-inf", "gradient nan", "gradient inf")
DIVERGED = 4


def run(scene: Scene, count: int) -> Outcome:
    """Injects that many bad steps, in short runs."""
    runs = list(range(-(-count // BAD)))
    found = spread(partial(_inject, scene), runs)
    ends = spread(partial(_break_down, scene), runs[: -(-len(runs) // 10)])
    more = {"runs": len(runs), "runs_that_broke_down": len(ends)}
    return Outcome.of([trial for trials in (*found, ends) for trial in trials], **more)


def _inject(scene: Scene, number: int) -> list[Trial]:
    """One run with some bad steps, each of which is a trial."""
    draw = scene.draw("nan", number)
    # Never the first step, and never ten in a row.
    steps = sorted(draw.sample(range(1, STEPS), BAD))
    bad = {step: draw.choice(KINDS) for step in steps}
    with tempfile.TemporaryDirectory(dir=scene.base) as name:
        log = Path(name) / "log"
        ended = fork(partial(_run, bad, log)).wait()
        lines = log.read_text().splitlines() if log.exists() else []
    wrong = ended.complaint(0)
    if not wrong and lines[-1] != f"skipped {BAD}":
        wrong = f"expected {BAD} steps skipped, got {lines[-1]!r}"
    moved = dict(line.split() for line in lines[:-1])
    trials = []
    for step, kind in bad.items():
        fault = wrong or ("" if moved.get(str(step)) == "False" else "the parameters moved")
        trials.append(Trial(f"skipped, {kind}", fault and f"{kind} at step {step}: {fault}"))
    good = [step for step in range(STEPS) if step not in bad and moved.get(str(step)) != "True"]
    if good and not wrong:
        trials[0] = Trial("a good step was skipped", f"step {good[0]} beside {bad} was skipped")
    return trials


def _break_down(scene: Scene, number: int) -> Trial:
    """A run of which all steps from some step on are bad."""
    first = scene.draw("break", number).randrange(1, 6)
    bad = dict.fromkeys(range(first, 60), KINDS[number % len(KINDS)])
    with tempfile.TemporaryDirectory(dir=scene.base) as name:
        ended = fork(partial(_run, bad, Path(name) / "log", 60)).wait()
    wrong = ended.complaint(DIVERGED)
    if not wrong and (f"step {first + 19}" not in ended.errors or "broken" not in ended.errors):
        wrong = f"names neither the step {first + 19} nor the loss: {ended.said()}"
    return Trial("diverged", wrong and f"{bad[first]} from step {first} on: {wrong}")


def _run(bad: dict[int, str], log: Path, steps: int = STEPS) -> int:
    """Optimizes with a loss that breaks; writes which steps moved the parameters."""
    import sys

    import torch

    import guidance as gd
    from guidance.augment import Augment
    from guidance.errors import GuidanceError
    from guidance.generators.image.pixels import Pixels
    from guidance.loop.events import StepEvent
    from guidance.loop.settings import Settings
    from guidance.types import Loss

    class Broken(Loss):
        """0 at good steps."""

        name = "broken"

        def forward(self, rendering: Any, context: Any) -> torch.Tensor:
            zero: torch.Tensor = 0.0 * rendering.over().mean((1, 2, 3, 4))
            kind = bad.get(context.step) if context.phase != "validation" else None
            if kind is None:
                return zero
            odd = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[kind.split()[-1]]
            if kind.startswith("gradient"):
                zero.register_hook(lambda gradient: gradient * odd)
                return zero
            return zero + odd

    generator = Pixels((0,), 16)
    before = [parameter.detach().clone() for parameter in generator.parameters()]
    lines = log.open("w", buffering=1)

    def listen(event: Any) -> None:
        if isinstance(event, StepEvent):
            now = [parameter.detach().clone() for parameter in generator.parameters()]
            same = all(torch.equal(a, b) for a, b in zip(before, now, strict=True))
            before[:] = now
            lines.write(f"{event.step - 1} {not same}\n")
            assert all(bool(torch.isfinite(parameter).all()) for parameter in now)

    losses = gd.Clip("a red heart", augment=Augment(crops=1)) + Broken()
    try:
        result = gd.optimize(
            generator, losses, Settings(steps=steps, seeds=(0,)), listeners=[listen], quiet=True
        )
    except GuidanceError as error:
        print(f"guide: {error}", file=sys.stderr)
        return error.exit_code
    lines.write(f"skipped {result.skipped}\n")
    return 0
