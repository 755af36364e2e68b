"""The time of a step of the default tasks relative to that of their frozen encoder alone.

    python benchmarks/defaults.py [text2image | text2mesh] [--precision auto | fp32]

The step is that of `guide run TASK --prompt "a red apple"`, with the embedded encoder. The encoder
alone is the forward pass and the gradient with respect to as many images as the step gives it, of
its size, in the same batches. Both are measured in one process, in alternating pairs, and the
result is the median ratio of the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from measure import report

from guidance.commands.memory import keep_freed_memory
from guidance.config.kinds import TASKS, find
from guidance.encoders import Encoder, load_encoder
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.models.precision import use_precision

BARS = {"text2image": 1.08, "text2mesh": 1.25}
PAIRS = 40


def seconds_alone(encoder: Encoder, batches: list[int]) -> float:
    """Forward pass and gradient with respect to batches of images."""
    size = encoder.image_size
    given = [torch.rand(n, 3, size, size).requires_grad_() for n in batches]
    start = time.perf_counter()
    for images in given:
        torch.autograd.grad(encoder.encode_image(images)[:, 0].sum(), images)
    return time.perf_counter() - start


def measure(task: str, pairs: int) -> list[tuple[float, float]]:
    """Seconds of each step of a run, and of the encoder alone right after it."""
    cls: Any = find(TASKS, task)
    plan = cls(prompt="a red apple", steps=pairs + 5, judge=False).build()
    encoder = load_encoder("mini", plan.settings.device)
    seconds: list[tuple[float, float]] = []
    batches: list[int] = []
    start = 0.0
    plain = encoder.encode_image

    def counted(images: torch.Tensor) -> torch.Tensor:
        batches.append(len(images))
        return plain(images)

    def listen(event: Event) -> None:
        nonlocal start
        if isinstance(event, StepEvent):
            step = time.perf_counter() - start
            encoder.__dict__.pop("encode_image")
            seconds.append((step, seconds_alone(encoder, list(batches))))
        batches.clear()
        encoder.__dict__["encode_image"] = counted
        start = time.perf_counter()

    optimize(
        plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[listen], quiet=True
    )
    # The first steps warm up; the last one is followed by a validation.
    return seconds[4:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=BARS, default="text2image", nargs="?")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    arguments = parser.parse_args()
    keep_freed_memory()
    with use_precision(arguments.precision):
        pairs = measure(arguments.task, PAIRS)
    step, alone = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    print(f"step {step:.1f} ms, encoder alone {alone:.1f} ms")
    value = statistics.median(step / alone for step, alone in pairs)
    name = f"step of {arguments.task} / its encoder alone, {arguments.precision}"
    report(name, value, "ratio", BARS[arguments.task])


if __name__ == "__main__":
    main()
