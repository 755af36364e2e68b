"""The time of a step of score distillation relative to that of the frozen models alone.

    python benchmarks/step_sds.py [--model small | sd-1.5] [--size 256] [--vae full | tiny]

The step is that of the real loop: a pyramid, the loss Distillation with SDS, Adam. The frozen
models alone are the two noise predictions that guidance needs, and the forward and backward pass of
the image encoder, in the same batch. Weights are random; the speed does not depend on them. Both
are measured in one process, in alternating pairs, and the result is the median ratio of the pairs.
"sd-1.5" has the sizes of Stable Diffusion 1.5 (860 M parameters, 3.5 GB in float32); "small" has
the same architecture with a twentieth of the parameters, which two cores can run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from measure import report
from torch import nn

from guidance.commands.memory import keep_freed_memory
from guidance.diffusion.base import Condition
from guidance.diffusion.files.source import Source
from guidance.diffusion.pipeline import Pipeline
from guidance.generators.image.pyramid import Pyramid
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.distillation import Distillation
from guidance.models.torchvision import import_torchvision

BAR = 1.10
#: Channels of the network and of the autoencoder, and the size of the text embeddings.
SIZES = {
    "small": ((64, 128, 256, 256), (32, 64, 128, 128), 256),
    "sd-1.5": ((320, 640, 1280, 1280), (128, 256, 512, 512), 768),
}
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


class Random(Pipeline):
    """A network with random weights, and random text embeddings."""

    words: int

    def encode_text(self, texts: list[str]) -> Condition:
        device = next(self.network.parameters()).device
        return Condition({"embeddings": torch.randn(len(texts), 77, self.words, device=device)})


def random_denoiser(model: str, size: int, vae: str, dtype: torch.dtype) -> Random:
    """A denoiser with the sizes of a model, for images of `size` pixels per side."""
    import_torchvision()
    import diffusers

    channels, of_vae, words = SIZES[model]
    down = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    up = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
    network = diffusers.UNet2DConditionModel(
        sample_size=size // 8,
        block_out_channels=channels,
        down_block_types=down,
        up_block_types=up,
        cross_attention_dim=words,
    )
    autoencoder: nn.Module = diffusers.AutoencoderTiny()
    if vae == "full":
        autoencoder = diffusers.AutoencoderKL(
            block_out_channels=of_vae,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
        )
    source = Source(
        name=f"random {model}",
        folder=Path(),
        kind="StableDiffusionPipeline",
        network="unet",
        towers=(),
        vae=True,
        variants={},
        scheduler=SCHEDULER,
    )
    made = Random(source, network, autoencoder, dtype)
    made.words = words
    return made


def seconds_alone(denoiser: Random, images: torch.Tensor, condition: Condition) -> float:
    """The image encoder, forward and backward, and two predictions: the lower bound of a step."""
    start = time.perf_counter()
    latents = denoiser.encode_image(images)
    two = torch.cat([latents.detach()] * 2)
    denoiser.noise(two, denoiser.level(torch.full((2,), 0.5), two), condition)
    torch.autograd.grad(latents.sum(), images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def seconds_of_network(denoiser: Random, size: int, condition: Condition, device: str) -> float:
    """The two predictions alone."""
    two = torch.randn(2, 4, size // 8, size // 8, device=device)
    level = denoiser.level(torch.full((2,), 0.5), two)
    start = time.perf_counter()
    denoiser.noise(two, level, condition)
    if two.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(denoiser: Random, size: int, pairs: int, device: str) -> list[tuple[float, ...]]:
    """Seconds of each step, of the frozen models right after it, and of the network alone."""
    images = torch.rand(1, 3, size, size, device=device).requires_grad_()
    condition = denoiser.encode_text(["", "a red apple"])
    seconds: list[tuple[float, ...]] = []
    start = 0.0

    def listen(event: Event) -> None:
        nonlocal start
        if isinstance(event, StepEvent):
            float(event.losses["sds"].sum())  # waits for the device
            step = time.perf_counter() - start
            alone = seconds_alone(denoiser, images, condition)
            network = seconds_of_network(denoiser, size, condition, device)
            seconds.append((step, alone, network))
        start = time.perf_counter()

    optimize(
        Pyramid((0,), size, finest=size // 2),
        Distillation("a red apple", denoiser=denoiser, method="sds"),
        # The first steps warm up; the last one is followed by a validation.
        Settings(steps=pairs + 3, validations=1, device=device),
        listeners=[listen],
    )
    return seconds[2:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=SIZES, default="small")
    parser.add_argument("--size", type=int, default=256, help="pixels per side; SD 1.5: 512")
    parser.add_argument("--vae", choices=("full", "tiny"), default="full")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    keep_freed_memory()
    dtype = torch.bfloat16 if arguments.device.startswith("cuda") else torch.float32
    denoiser = random_denoiser(arguments.model, arguments.size, arguments.vae, dtype)
    denoiser.to(arguments.device)
    found = measure(denoiser, arguments.size, arguments.pairs, arguments.device)
    for step, alone, network in found:
        print(
            f"step {step:.4f} s   frozen models alone {alone:.4f} s   network {network:.4f} s   "
            f"ratio {step / alone:.3f}"
        )
    value = statistics.median(step / alone for step, alone, _ in found)
    more: dict[str, Any] = {
        "step_over_network": round(statistics.median(s / n for s, _, n in found), 4)
    }
    name = f"SDS step / frozen models alone, {arguments.model}, {arguments.size} px, "
    report(f"{name}{arguments.vae} vae, {dtype}", value, "ratio", BAR, more=more)


if __name__ == "__main__":
    main()
