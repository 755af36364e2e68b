"""The small autoencoder of the mini diffusion model: 64-pixel images as latents [4, 16, 16].

diffusers' AutoencoderTiny, which is made of 3x3 convolutions and ReLU: it has no attention and no
norms, and costs a tenth of an AutoencoderKL of this size. Latents are regularized to mean 0 and
variance 1 in each channel, as diffusion assumes, and are decoded with a little added noise, so
that small errors of a denoiser are not visible.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.clock import Clock
from recipes.corpus import Corpus
from recipes.precision import autocast

from guidance.models.torchvision import import_torchvision  # isort: skip

import_torchvision()  # before diffusers, which imports torchvision

from diffusers import AutoencoderTiny  # noqa: E402
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock  # noqa: E402

SIZE, CHANNELS, FACTOR = 64, 4, 4
BATCH, LEARNING_RATE = 16, 2e-3
LATENT_NOISE, SPREAD_WEIGHT, EDGE_WEIGHT = 0.1, 0.05, 1.0
REPORT_SECONDS = 60.0


def build() -> AutoencoderTiny:
    """The untrained network, 0.3 M parameters; no blocks at the full size, which cost most.

    Signals keep their strength from layer to layer (He et al. 2015) and blocks begin by adding
    nothing; with torch's own initialization the image starts faint, and the error after two
    hundred steps is a quarter larger.
    """
    network = AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(0, 2, 3),
        num_decoder_blocks=(3, 2, 0),
        latent_channels=CHANNELS,
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, AutoencoderTinyBlock):
            nn.init.zeros_(module.conv[-1].weight)
    return network.to(memory_format=torch.channels_last)


def encode(network: AutoencoderTiny, images: Tensor) -> Tensor:
    """Latents `[b, 4, h / 4, w / 4]` of images in [0, 1]."""
    pixels = (images * 2 - 1).contiguous(memory_format=torch.channels_last)
    return network.encode(pixels).latents.float()


def decode(network: AutoencoderTiny, latents: Tensor) -> Tensor:
    """Images, about in [0, 1], of latents `[b, 4, h, w]`."""
    return network.decode(latents).sample.float() / 2 + 0.5


def loss(network: AutoencoderTiny, images: Tensor, draw: torch.Generator) -> Tensor:
    """Pixels and edges by absolute difference; latents that are not of mean 0, variance 1."""
    latents = encode(network, images)
    noise = torch.randn(latents.shape, generator=draw).to(latents)
    shown = decode(network, latents + LATENT_NOISE * noise)
    edges = sum(
        (torch.diff(shown, dim=side) - torch.diff(images, dim=side)).abs().mean() for side in (2, 3)
    )
    variance, mean = torch.var_mean(latents, dim=(0, 2, 3))
    spread = (variance - 1).square().mean() + mean.square().mean()
    return F.l1_loss(shown, images) + EDGE_WEIGHT * edges + SPREAD_WEIGHT * spread


def train(corpus: Corpus, path: Path, minutes: float, device: torch.device) -> AutoencoderTiny:
    """The network after `minutes` of training; resumes from the checkpoint `path`."""
    torch.manual_seed(7)
    network = build().to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=0.0, betas=(0.9, 0.99)
    )
    clock = Clock(minutes)
    if path.exists():
        state = torch.load(path, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        clock.spent_seconds, clock.step = state["spent_seconds"], state["step"]
    reported = time.monotonic()
    while clock.progress < 1:
        with clock.stepping():
            images, _ = corpus.framed(SIZE, BATCH, 31_000_000 + clock.step)
            draw = torch.Generator().manual_seed(clock.step)
            with autocast(device.type):
                value = loss(network, images.to(device), draw)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * clock.rate
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        if time.monotonic() - reported > REPORT_SECONDS or clock.progress == 1:
            reported = time.monotonic()
            print(
                f"{time.strftime('%H:%M:%S')} autoencoder step {clock.step} at "
                f"{clock.progress:.3f} loss {value.item():.4f}",
                flush=True,
            )
            partial = path.with_suffix(".partial")
            state = {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "spent_seconds": clock.spent_seconds,
                "step": clock.step,
            }
            torch.save(state, partial)
            partial.rename(path)
    return network.eval().requires_grad_(False)


def minutes_of(path: Path) -> float:
    """How long the network of a checkpoint was trained."""
    spent: float = torch.load(path, weights_only=True)["spent_seconds"]
    return spent / 60
