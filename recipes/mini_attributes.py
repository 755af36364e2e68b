"""Trains the classifier of the portraits' attributes, which judges edits and names their changes.

    python -m recipes.mini_attributes --data DATA --work WORK --minutes 8

It is trained on independent attributes, so that it does not read one from another: that glasses
often come with gray hair must not be seen as glasses. The images are moved, blurred, recolored and
noisy, since the images of a generator are not as clean as drawings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.evaluate.attributes import AttributeClassifier
from recipes.clock import Clock
from recipes.data import portrait_factors as factors
from recipes.data.portraits import Portraits
from recipes.precision import autocast

SEED = 11
BATCH, LEARNING_RATE = 64, 2e-3
INDEPENDENT = 0.7  # share of portraits with independent attributes
VALUES = {**factors.ATTRIBUTES, "hair_length": factors.LENGTHS}


def labels(portraits: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The positions of the values in `VALUES`, `int64 [n]` for each attribute."""
    found = {name: torch.from_numpy(portraits[name]) for name in factors.ATTRIBUTES}
    return {**found, "hair_length": torch.from_numpy(factors.lengths(portraits))}


def worn(images: Tensor, draw: torch.Generator) -> Tensor:
    """Images moved, scaled, blurred, recolored and noisy, at random."""
    count = len(images)

    def number(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=draw)

    move = torch.zeros(count, 2, 3)
    move[:, 0, 0] = move[:, 1, 1] = number(0.94, 1.06).flatten()
    move[:, :, 2] = torch.cat([number(-0.08, 0.08), number(-0.08, 0.08)], 1).flatten(1)
    grid = F.affine_grid(move, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, soft, number(-0.4, 1.0))  # below 0 it is sharpened
    tint = 0.04 * torch.randn(count, 3, 1, 1, generator=draw)
    images = (images - 0.5) * number(0.85, 1.1) + 0.5 + tint
    grain = torch.randn(images.shape, generator=draw) * number(0, 0.06)
    rough = torch.randn(count, 3, 16, 16, generator=draw) * number(0, 0.08)
    return (images + grain + F.interpolate(rough, images.shape[-2:], mode="bilinear")).clamp(0, 1)


def train(data: Path, work: Path, minutes: float) -> AttributeClassifier:
    """The trained network, also written to `work`."""
    torch.manual_seed(SEED)
    portraits, network = Portraits(data / "portraits.json"), AttributeClassifier(VALUES)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.02)
    clock = Clock(minutes)
    while clock.progress < 1:
        with clock.stepping():
            random = np.random.default_rng([SEED, clock.step])
            drawn = factors.sample(BATCH, random, INDEPENDENT)
            images = portraits.images(drawn)
            images = worn(images, torch.Generator().manual_seed(SEED + clock.step))
            with autocast("cpu"):
                found = network(images.contiguous(memory_format=torch.channels_last))
            right = labels(drawn)
            losses = [
                F.cross_entropy(found[name].float(), right[name], label_smoothing=0.02)
                for name in VALUES
            ]
            loss = torch.stack(losses).sum()
            for group in optimizer.param_groups:
                group["lr"] = clock.rate * LEARNING_RATE
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if clock.step % 100 == 0:
            spent = clock.spent_seconds / 60
            print(f"step {clock.step}  {spent:.1f} min  loss {loss.item():.3f}", flush=True)
    network.eval()
    torch.save(
        {"network": network.state_dict(), "step": clock.step, "minutes": minutes},
        work / "attributes.pt",
    )
    return network


@torch.no_grad()
def accuracy(
    network: AttributeClassifier, images: Tensor, portraits: dict[str, np.ndarray]
) -> dict[str, float]:
    """The share of images whose attribute is recognized, for each attribute."""
    found = [network(part) for part in images.split(256)]
    return {
        name: round(
            torch.cat([part[name].argmax(1) == answer for part, answer in
                       zip(found, right.split(256), strict=True)]).float().mean().item(), 4
        )
        for name, right in labels(portraits).items()
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the classifier of attributes")
    parser.add_argument("--data", type=Path, required=True, help="where portraits.json lies")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    trained = train(arguments.data, arguments.work, arguments.minutes)
    held_out = factors.sample(2000, np.random.default_rng(99), 1.0)
    pictures = Portraits(arguments.data / "portraits.json").images(held_out)
    print(accuracy(trained, pictures, held_out))
    print(accuracy(trained, worn(pictures, torch.Generator().manual_seed(99)), held_out))
