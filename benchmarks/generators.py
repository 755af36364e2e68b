"""The time of generators with networks in bfloat16 relative to float32, both ways.

    python benchmarks/generators.py [--triangles 100000] [--size 256]

A stylized mesh is rendered from 4 views of 112 pixels, and a U-Net changes an image; both are
followed by the gradient of all parameters. Both precisions run in one process, in alternating
pairs. Where the processor has no bfloat16 instructions, a run uses float32.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from measure import machine, ratio_of_alternating
from memory_mesh import bumpy_ball
from torch import Tensor

from guidance.commands.memory import keep_freed_memory
from guidance.generators.image.unet import UNet
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.rendering.cameras.orbit import Orbit
from guidance.types import Generator

REPEATS = 15
RESULTS = Path(__file__).parent / "results" / "generators.json"


def both_ways(generator: Generator, images: Callable[[], Tensor]) -> Callable[[], None]:
    """The images and the gradient of all parameters for a fixed gradient of the images."""
    grad = torch.rand(images().shape, generator=torch.Generator().manual_seed(0))

    def work() -> None:
        torch.autograd.grad(images(), list(generator.parameters()), grad)

    return work


def mesh_work(triangles: int, precision: str) -> Callable[[], None]:
    """A stylized mesh without further subdivision."""
    options = StylizedMesh.Options(edge_length=2.0)
    generator = StylizedMesh(bumpy_ball(triangles), (0,), options, precision=precision)
    cameras = Orbit(num_views=4, size=(112, 112)).fixed(1)
    return both_ways(generator, lambda: generator(cameras).image)


def unet_work(size: int, precision: str) -> Callable[[], None]:
    """A U-Net on a random image."""
    content = torch.rand(3, size, size, generator=torch.Generator().manual_seed(1))
    generator = UNet((0,), content, precision=precision)
    with torch.no_grad():
        generator.weights["out"].add_(0.01)  # it starts at 0, which stops all gradients
    return both_ways(generator, lambda: generator().image)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--triangles", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    keep_freed_memory()
    ratios = {}
    for name, work, amount in (
        (f"stylized mesh, {arguments.triangles:,} triangles", mesh_work, arguments.triangles),
        (f"U-Net, {arguments.size} px", unet_work, arguments.size),
    ):
        print(f"{name}, bf16 / fp32: ", end="")
        fast, slow = (work(amount, precision) for precision in ("bf16", "fp32"))
        ratios[name] = round(ratio_of_alternating(fast, slow, REPEATS), 4)
    line = {"name": "generators, bf16 / fp32, both ways", "ratios": ratios, "machine": machine()}
    print(json.dumps(line))
    RESULTS.write_text(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
