"""The speed of StyleGAN2's synthesis beside stylegan2-pytorch, another version in pure torch.

    PYTHONPATH=. python benchmarks/stylegan_peer.py [--pairs 4] [--out FILE]

Needs the package `stylegan2-pytorch` (MIT), which is not a dependency of this project. Its modules
for training are not imported. Both generators have the same channels at each resolution, random
weights, float32, and run in one process, in alternating pairs; the result is the median ratio. One
pass goes from latents W+ to the image, one also computes the gradient with respect to the latents.

The work is equal in size, not in detail: the peer upsamples before its first convolution of each
resolution, so that it convolves at four times as many pixels there as StyleGAN2 of NVlabs, which
convolves first and which the networks here follow; it has one more convolution at 4 pixels.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from measure import machine, ratio_of_alternating
from torch import Tensor

from guidance.stylegan import StyleGAN, StyleGAN2Config

#: What the peer imports for training only.
OF_TRAINING = ("aim", "fire", "torchvision", "vector_quantize_pytorch")


@dataclass(frozen=True)
class Case:
    """A network of both, and how many samples are rendered at once."""

    name: str
    channels: tuple[int, ...]
    width: int  # of a latent
    capacity: int  # the peer's: half of the channels at the largest resolution
    samples: int

    @property
    def resolution(self) -> int:
        return int(4 * 2 ** (len(self.channels) - 1))


CASES = (
    Case("config F, 256 px, one sample", (512,) * 5 + (256, 128), 512, 64, 1),
    Case("128 channels, 64 px, 16 samples", (128, 128, 128, 64, 32), 128, 16, 16),
)


def peer_class() -> Any:
    """The peer's generator."""
    for name in OF_TRAINING:
        sys.modules.setdefault(name, MagicMock())
    with patch("torch.cuda.is_available", lambda: True):  # it refuses to be imported without one
        from stylegan2_pytorch.stylegan2_pytorch import Generator

    return Generator


def ratios(case: Case, pairs: int) -> dict[str, float]:
    """The peer's time divided by ours: of images alone, and with the gradient."""
    torch.manual_seed(0)
    config = StyleGAN2Config(channels=case.channels, z_dim=case.width, w_dim=case.width)
    ours = StyleGAN(config).frozen().synthesis
    peer = peer_class()(
        case.resolution, case.width, network_capacity=case.capacity, fmap_max=max(case.channels)
    )
    peer.eval().requires_grad_(False)
    found = tuple(block.conv2.weight.shape[0] for block in peer.blocks)
    assert found == case.channels, f"the peer has channels {found}"
    w = torch.randn(case.samples, case.width)
    noise = torch.randn(case.samples, case.resolution, case.resolution, 1)

    def image_of_ours(w: Tensor) -> Tensor:
        return ours(w)

    def image_of_peer(w: Tensor) -> Tensor:
        return peer(w[:, None].expand(-1, peer.num_layers, -1), noise)

    def forward(make: Any) -> Tensor:
        with torch.no_grad():
            return make(w)

    def both(make: Any) -> Tensor:
        leaf = w.clone().requires_grad_()
        return torch.autograd.grad(make(leaf).square().mean(), leaf)[0]

    assert forward(image_of_ours).shape == forward(image_of_peer).shape
    return {
        name: ratio_of_alternating(
            lambda work=work: work(image_of_peer), lambda work=work: work(image_of_ours), pairs, 1
        )
        for name, work in (("forward", forward), ("forward and backward", both))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = {}
    for case in CASES:
        rows[case.name] = {k: round(v, 3) for k, v in ratios(case, options.pairs).items()}
        print(case.name, rows[case.name], flush=True)
    result = {"name": "stylegan2-pytorch / ours", "ratios": rows, "machine": machine()}
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
