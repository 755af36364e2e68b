"""The time of a step of text2avatar relative to that of the frozen encoder alone, and its encodes.

    python benchmarks/text2avatar.py [--pairs 5]

The step is that of the task for one prompt on the embedded body, at the end of the run, where it is
most expensive: views, rendering, losses, gradient. The encoder alone is the forward pass and the
gradient with respect to as many images. Both take turns in one process; the ratio is the median of
the pairs, in processor time, so that other processes on the machine matter less.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from measure import report

from guidance.encoders import load_encoder
from guidance.loop.gradients import backward, weighted_losses
from guidance.tasks.text2avatar import TextToAvatar
from guidance.types import StepContext

#: The renders and the map cost as much as the small encoder; see docs/avatars.md.
BAR = 4.0


def main() -> None:
    """Measures two presets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    encoder = load_encoder("mini-people")
    for preset in ("draft", "normal"):
        plan = TextToAvatar(prompt="a person in a red coat walking", preset=preset).build()
        generator, losses = plan.generator, weighted_losses(plan.losses)
        generator.advance(1.0)
        assert plan.views is not None
        start = generator(plan.views(StepContext((0,)))).detach()
        for term in losses:
            term.loss.prepare(start)
        encodes = plan.artifacts[0].facts["image_encodes"]
        crops = sum(
            getattr(t.loss, "loss", t.loss).augment.crops for t in losses if t.loss.encoders
        )
        images = torch.rand(crops, 3, encoder.image_size, encoder.image_size).requires_grad_()
        steps, alone = [], []
        for step in range(pairs + 1):
            begin = time.process_time()
            context = StepContext((0,), step, 1.0)
            backward(
                generator(plan.views(context)), losses, context, micro_batch=64, normalize=False
            )
            middle = time.process_time()
            torch.autograd.grad(encoder.encode_image(images)[:, 0].sum(), images)
            steps.append(middle - begin)
            alone.append(time.process_time() - middle)
        ratio = statistics.median(a / b for a, b in zip(steps[1:], alone[1:], strict=True))
        more = {
            "step_seconds": round(statistics.median(steps[1:]), 3),
            "images_per_step": crops,
            "image_encodes_per_avatar": encodes,
        }
        report(f"text2avatar {preset}: step / encoder", ratio, "times", BAR, more=more)


if __name__ == "__main__":
    main()
