"""The time of 8 commands with one prompt each relative to one command with all 8 prompts.

    python benchmarks/batch.py [--task text2image] [--steps 100]

Whole processes are timed, from start to exit, with the mini model. Also reported: the time of a
step with 8 samples divided by 8 times that of a step with one sample, both in this process, as the
median of alternating runs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

from measure import report

from guidance.commands.memory import keep_freed_memory
from guidance.config.kinds import TASKS, find
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize

PROMPTS = (
    "a red heart",
    "a watermelon",
    "a pizza",
    "a strawberry",
    "a banana",
    "a blue heart",
    "a sunflower",
    "a cat face",
)
BAR = 2.0
#: Steps of each in-process run, and runs of each kind; the first steps warm up.
STEPS, WARM_UP, ROUNDS = 12, 4, 3


def whole_process(task: str, prompts: tuple[str, ...], steps: int) -> float:
    """Wall-clock seconds of one command."""
    words = [word for prompt in prompts for word in ("--prompt", prompt)]
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "guidance.cli", "run", task, *words]
        command += ["--preset", "draft", "--steps", str(steps), "--output", output]
        start = time.perf_counter()
        subprocess.run([*command, "--device", "cpu"], check=True, capture_output=True)
        return time.perf_counter() - start


def step_seconds(task: str, prompts: tuple[str, ...]) -> float:
    """The median seconds of a step, without validations and files."""
    fields = {"prompt": list(prompts), "preset": "draft", "steps": STEPS, "device": "cpu"}
    plan = find(TASKS, task)(**fields).build()
    stamps: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            stamps.append(time.perf_counter())

    settings = replace(plan.settings, validations=1)
    optimize(plan.generator, plan.losses, settings, views=plan.views, listeners=[listen])
    # The last step is followed by a validation.
    seconds = [b - a for a, b in zip(stamps[WARM_UP:-2], stamps[WARM_UP + 1 : -1], strict=True)]
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="text2image")
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    task = arguments.task
    together = whole_process(task, PROMPTS, arguments.steps)
    apart = sum(whole_process(task, (prompt,), arguments.steps) for prompt in PROMPTS)
    print(f"8 prompts in one command {together:.1f} s, in 8 commands {apart:.1f} s", flush=True)
    keep_freed_memory()
    pairs = [(step_seconds(task, PROMPTS), step_seconds(task, PROMPTS[:1])) for _ in range(ROUNDS)]
    ratio = statistics.median(eight / (8 * one) for eight, one in pairs)
    eight, one = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"step of 8 samples {eight * 1e3:.1f} ms, of one {one * 1e3:.1f} ms")
    print(f"step of 8 samples / (8 x step of one): {ratio:.3f}")
    name = f"8 commands / one command with 8 prompts, {task}, {arguments.steps} steps"
    more = {"step_n8_over_8_n1": round(ratio, 3)}
    report(name, apart / together, "times as fast", BAR, lower_is_better=False, more=more)


if __name__ == "__main__":
    main()
