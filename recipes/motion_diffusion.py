"""Trains the diffusion of motions, whose noise the generator `noise` of text2motion optimizes.

    python -m recipes.motion_diffusion --work WORK --minutes 20
    python -m recipes.publish_motion --work WORK                # the folder, with figures

It is unconditional and knows windows of two seconds at 20 frames a second. Training resumes from
WORK; minutes are of one core. The published weights are the moving average.
"""

from __future__ import annotations

import argparse
import copy
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guidance.motion.bank import load_bank
from guidance.motion.networks.denoiser import WINDOW, MotionDenoiser
from guidance.motion.networks.pose_features import ROOT
from recipes.clock import Clock
from recipes.motion_pool import pose_windows
from recipes.precision import autocast

SEED = 29
POOL, BATCH, LEARNING_RATE = 10_000, 32, 1.5e-3
AVERAGE = 0.999
#: Lowest scales of features: velocities and height, and columns of rotations.
LEAST_ROOT, LEAST = 0.2, 0.12
#: Weight of differences between neighboring frames of the clean prediction.
SMOOTH = 2.0
#: Most additional weight of low noise.
MOST = 4.0


def prepared(pool: Tensor) -> MotionDenoiser:
    """A network with the mean and the scale of a pool of windows."""
    network = MotionDenoiser()
    features = pool[:3000].float().flatten(0, 1)
    least = torch.full_like(network.scale, LEAST)
    least[:ROOT] = LEAST_ROOT
    network.mean.copy_(features.mean(0))
    network.scale.copy_(torch.maximum(features.std(0), least))
    return network


def loss_of(network: MotionDenoiser, clean: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """The squared error of clean features, and of their differences between frames.

    Low noise counts more, where details are decided.
    """
    a, s = (torch.cos(math.pi * t / 2)[:, None, None], torch.sin(math.pi * t / 2)[:, None, None])
    noisy = a * clean + s * noise
    with autocast("cpu"):
        found = network(noisy, t)
    off = found.float() - clean
    weight = 1 + (a / s).square().clamp_max(MOST)
    error: Tensor = (weight * off.square()).mean()
    return error + SMOOTH * (weight * torch.diff(off, dim=1).square()).mean()


def train(work: Path, minutes: float) -> MotionDenoiser:
    """The moving average of the network, also written to `work`; resumes from there."""
    torch.manual_seed(SEED)
    pool = _pool(work / "motion_pool.pt")
    network = prepared(pool)
    pool = network.normalized(pool.float()).clamp(-5, 5).half()
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), LEARNING_RATE, weight_decay=0.01, foreach=True
    )
    clock, path = Clock(minutes), work / "motion_diffusion.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True)
        network.load_state_dict(stored["network"])
        average.load_state_dict(stored["average"])
        optimizer.load_state_dict(stored["optimizer"])
        clock.spent_seconds, clock.step = stored["spent_seconds"], stored["step"]
    saved, shown = clock.spent_seconds, []
    while clock.progress < 1:
        with clock.stepping():
            random = np.random.default_rng([SEED, 1, clock.step])
            draw = torch.Generator().manual_seed(SEED + clock.step)
            clean = pool[random.integers(len(pool), size=BATCH)].float()
            t = torch.rand(BATCH, generator=draw)
            loss = loss_of(network, clean, t, torch.randn(clean.shape, generator=draw))
            for group in optimizer.param_groups:
                group["lr"] = clock.rate * LEARNING_RATE
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            keep = min(AVERAGE, (1 + clock.step) / (10 + clock.step))
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(average.parameters()), list(network.parameters()), 1 - keep
                )
            shown.append(loss.item())
        done = clock.progress >= 1
        if done or clock.spent_seconds - saved > 60:
            saved = clock.spent_seconds
            mean = sum(shown[-200:]) / len(shown[-200:])
            print(f"step {clock.step}  {saved / 60:.1f} min  loss {mean:.4f}", flush=True)
            state = {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "spent_seconds": saved,
                "step": clock.step,
            }
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
    return average.eval().requires_grad_(False)


def _pool(path: Path) -> Tensor:
    if not path.exists():
        torch.save(pose_windows(list(load_bank().labels), POOL, WINDOW, SEED), path)
    pool: Tensor = torch.load(path, weights_only=True)
    return pool


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the diffusion of motions")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    train(arguments.work, arguments.minutes)
