"""A small diffusion model of motions of two seconds, and its deterministic sampler."""

from __future__ import annotations

import itertools
import math
from functools import cache
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from guidance.models.foreign.places import PACKAGED
from guidance.motion.networks.pose_features import WIDTH as FEATURES

FOLDER: Final = PACKAGED / "mini_motion"
#: Frames of a window, and from the start of one to that of the next in a longer motion.
WINDOW, STRIDE = 40, 20
WIDTHS = (80, 104, 128)
TIME = 96


class TimedBlock(nn.Module):
    """A residual block over time and channels, scaled and shifted by the level of noise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = nn.Linear(TIME, 2 * width)
        last = nn.Linear(2 * width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), last)

    def forward(self, x: Float[Tensor, "b t c"], level: Float[Tensor, "b e"]) -> Tensor:
        scale, shift = self.film(level)[:, None].chunk(2, -1)
        mixed = self.norm(self.time(x.transpose(1, 2)).transpose(1, 2))
        result: Tensor = x + self.layers(mixed * (1 + scale) + shift)
        return result


class MotionDenoiser(nn.Module):
    """A U-Net over time that predicts clean features from noisy ones.

    Noise of level t in [0, 1] is mixed with normalized features as `a clean + s noise`, with
    a = cos(pi t / 2) and s = sin(pi t / 2). Features of motions are close to few dimensions and
    noise is not, so a narrow network can predict them and not the noise.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        top, middle, low = WIDTHS
        self.level = nn.Sequential(nn.Linear(32, TIME), nn.SiLU(), nn.Linear(TIME, TIME), nn.SiLU())
        self.inward = nn.Linear(FEATURES, top)
        self.down = nn.ModuleList([TimedBlock(top), TimedBlock(middle)])
        self.shrink = nn.ModuleList([nn.Linear(2 * top, middle), nn.Linear(2 * middle, low)])
        self.bottom = nn.ModuleList([TimedBlock(low) for _ in range(3)])
        self.stretch = nn.ModuleList([nn.Linear(middle, 2 * top), nn.Linear(low, 2 * middle)])
        self.up = nn.ModuleList([TimedBlock(top), TimedBlock(middle)])
        self.outward = nn.Sequential(nn.LayerNorm(top), nn.Linear(top, FEATURES))

    def forward(
        self, noisy: Float[Tensor, "b t c"], t: Float[Tensor, "b"]
    ) -> Float[Tensor, "b t c"]:
        """Normalized clean features; the number of frames is a multiple of 4."""
        rates = 2 ** torch.arange(16, device=t.device) * (math.pi / 16)
        waves = t[:, None] * rates
        level = self.level(torch.cat([waves.sin(), waves.cos()], 1))
        x, kept = self.inward(noisy), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = block(x, level)
            kept.append(x)
            x = shrink(x.reshape(len(x), -1, 2 * x.shape[2]))
        for block in self.bottom:
            x = block(x, level)
        for block, stretch, skip in zip(
            reversed(self.up), reversed(self.stretch), reversed(kept), strict=True
        ):
            x = skip + stretch(x).reshape(skip.shape)
            x = block(x, level)
        result: Tensor = self.outward(x)
        return result

    def features(self, clean: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        """The features of poses of normalized ones."""
        return clean * self.scale + self.mean

    def normalized(self, features: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        """Features with mean 0 and about unit variance, which the network reads."""
        return (features - self.mean) / self.scale


def mixing(t: float) -> tuple[float, float]:
    """The shares of clean features and noise at a level of noise."""
    return math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)


def num_frames(least: int) -> int:
    """The smallest number of frames that windows cover."""
    return WINDOW + STRIDE * max(0, -(-(least - WINDOW) // STRIDE))


def sample_motion(
    network: MotionDenoiser, noise: Float[Tensor, "n t c"], steps: int
) -> Float[Tensor, "n t c"]:
    """Features that the sampler draws from noise; differentiable in the noise.

    A motion that is longer than a window is drawn as overlapping windows. In each step their clean
    predictions are blended, so that they agree. In the backward pass, the graph of one step is in
    memory at a time.

    Source: DDIM (arXiv 2010.02502) without added noise; the windows are those of MultiDiffusion
    (arXiv 2302.08113), over time and on clean predictions.
    """
    times = [1 - step / steps for step in range(steps)] + [0.0]

    def step(noisy: Tensor, now: float, later: float) -> Tensor:
        a, s = mixing(now)
        clean = _clean(network, noisy, now)
        rest = (noisy - a * clean) / s
        b, r = mixing(later)
        return b * clean + r * rest

    x = noise
    for now, later in itertools.pairwise(times):
        if torch.is_grad_enabled() and x.requires_grad:
            x = checkpoint(step, x, now, later, use_reentrant=False)
        else:
            x = step(x, now, later)
    return network.features(x)


@torch.no_grad()
def noise_of_motion(
    network: MotionDenoiser, features: Float[Tensor, "n t c"], steps: int
) -> Float[Tensor, "n t c"]:
    """The noise from which the sampler draws about these features.

    Few steps are better: at low noise, the noise that a clean prediction implies is inexact.

    Source: the inversion of DDIM (arXiv 2010.02502, section 4.3).
    """
    x = network.normalized(features)
    angle = math.pi / 2 / steps
    for step in range(steps):
        now = step / steps
        a, s = mixing(now)
        # The velocity a noise - s clean; without noise, as much as the mean of the noise, 0.
        clean = _clean(network, x, now)
        velocity = (a * x - clean) / s if step else torch.zeros_like(x)
        x = math.cos(angle) * x + math.sin(angle) * velocity
    return x


def _clean(
    network: MotionDenoiser, noisy: Float[Tensor, "n t c"], t: float
) -> Float[Tensor, "n t c"]:
    """The prediction of clean features, blended from windows."""
    windows = noisy.unfold(1, WINDOW, STRIDE).transpose(-1, -2)  # [n, w, WINDOW, c]
    n, count = windows.shape[:2]
    flat = windows.flatten(0, 1)
    clean: Tensor = network(flat, flat.new_full((len(flat),), t))
    if count == 1:
        return clean
    hat = _hat(noisy)
    total = torch.zeros_like(noisy)
    weight = torch.zeros_like(noisy[:1, :, :1])
    parts = clean.reshape(n, count, WINDOW, -1)
    for number in range(count):
        before, after = number * STRIDE, noisy.shape[1] - number * STRIDE - WINDOW
        own = _ends_held(hat, number == 0, number == count - 1)
        total = total + F.pad(parts[:, number] * own, (0, 0, before, after))
        weight = weight + F.pad(own[None], (0, 0, before, after))
    blended: Tensor = total / weight
    return blended


def _hat(like: Tensor) -> Float[Tensor, "t 1"]:
    """Weights that fall from the middle of a window to its ends."""
    at = (torch.arange(WINDOW).to(like) + 0.5) / WINDOW
    return (1 - (2 * at - 1).abs())[:, None]


def _ends_held(hat: Float[Tensor, "t 1"], first: bool, last: bool) -> Float[Tensor, "t 1"]:
    """Weights of the first and the last window, which are alone at the ends of the motion."""
    half = WINDOW // 2
    parts = [
        torch.ones_like(hat[:half]) if first else hat[:half],
        torch.ones_like(hat[half:]) if last else hat[half:],
    ]
    return torch.cat(parts)


@cache
def load_motion_denoiser(folder: Path = FOLDER) -> MotionDenoiser:
    """The embedded network, or one that `recipes.motion_diffusion` wrote; frozen, on the CPU."""
    from safetensors.torch import load_file

    network = MotionDenoiser()
    stored = load_file(folder / "model.safetensors")
    network.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    return network.eval().requires_grad_(False)
