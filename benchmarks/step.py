"""The time of an optimization step relative to that of the frozen encoder alone.

    python benchmarks/step.py [--tower ViT-B-32 | ViT-L-14] [--precision auto | fp32]

The step is that of the real loop: a pyramid of 512 pixels, augmented crops, the Clip loss, Adam.
The encoder alone is the forward pass and the gradient with respect to as many images of the tower's
size, in the same batch. Weights are random; the speed does not depend on them. Both are measured in
one process, in alternating pairs, and the result is the median ratio of the pairs. The process
keeps freed memory, as `guide run` does.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time

import torch
from measure import report

from guidance.augment import Augment
from guidance.commands.memory import keep_freed_memory
from guidance.encoders.files.card import Card
from guidance.encoders.files.source import PREPROCESSING
from guidance.encoders.openclip import OpenClip
from guidance.encoders.towers.preprocessing import Preprocessing
from guidance.generators.image.pyramid import Pyramid
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.clip import Clip
from guidance.models.torchvision import import_torchvision

BAR = 1.10
SIZE = 512
#: ViT-L/14 takes 19 times as long per crop, so it gets fewer crops; fixed costs then weigh more.
CROPS = {"ViT-B-32": 16, "ViT-L-14": 8}
PAIRS = {"ViT-B-32": 15, "ViT-L-14": 4}


def random_encoder(tower: str, precision: str) -> OpenClip:
    """An encoder of that architecture with random weights."""
    import_torchvision()
    import open_clip

    logging.disable(logging.WARNING)  # open_clip warns about the missing weights
    model = open_clip.create_model(tower, pretrained_text=False)
    stored = PREPROCESSING | {"size": model.visual.image_size}
    preprocessing = Preprocessing.parse(stored, tower)
    return OpenClip(model, preprocessing, Card(), tower, precision=precision)


def seconds_alone(encoder: OpenClip, images: torch.Tensor) -> float:
    """Forward pass and gradient with respect to the images: the lower bound of a step."""
    start = time.perf_counter()
    torch.autograd.grad(encoder.encode_image(images)[:, 0].sum(), images)
    return time.perf_counter() - start


def measure(encoder: OpenClip, crops: int, pairs: int) -> list[tuple[float, float]]:
    """Seconds of each step of a run, and of the encoder alone right after it."""
    size = encoder.image_size
    images = torch.rand(crops, 3, size, size).requires_grad_()
    seconds: list[tuple[float, float]] = []
    start = 0.0

    def listen(event: Event) -> None:
        nonlocal start
        if isinstance(event, StepEvent):
            step = time.perf_counter() - start
            seconds.append((step, seconds_alone(encoder, images)))
        start = time.perf_counter()

    optimize(
        Pyramid((0,), SIZE, finest=SIZE // 2),
        Clip("a red apple", encoder=encoder, augment=Augment(crops=crops)),
        # The first steps warm up; the last one is followed by a validation.
        Settings(steps=pairs + 3, validations=1),
        listeners=[listen],
    )
    return seconds[2:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tower", choices=CROPS, default="ViT-B-32")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--crops", type=int, help="default: 16, and 8 for ViT-L-14")
    arguments = parser.parse_args()
    keep_freed_memory()
    encoder = random_encoder(arguments.tower, arguments.precision)
    crops = arguments.crops or CROPS[arguments.tower]
    pairs = measure(encoder, crops, PAIRS[arguments.tower])
    for step, alone in pairs:
        print(f"step {step:.4f} s   encoder alone {alone:.4f} s   ratio {step / alone:.3f}")
    value = statistics.median(step / alone for step, alone in pairs)
    weights = next(encoder.visual.parameters()).dtype
    name = f"step / encoder alone, {arguments.tower}, {crops} crops, {weights}"
    report(name, value, "ratio", BAR)


if __name__ == "__main__":
    main()
