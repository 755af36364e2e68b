"""Trains the mini StyleGAN2: portraits of 64 pixels from attributes that are known.

    python -m recipes.mini_stylegan --data DATA --work WORK --phase regress --minutes 29
    python -m recipes.mini_stylegan --data DATA --work WORK --phase latents --minutes 1

Adversarial training needs millions of images; one core makes 70 per second. So this network is a
regression:

1. Attributes, correlated as in life, are mapped to w by four layers, and w to the portrait that has
   these attributes. Everything is known, so that it is learned with sharp eyes and mouths.
2. z to w: a normal vector determines attributes (`latents`). The mapping network is composed of
   layers that compute them (`recipes.portrait_mapping`) and those of step 1, and trained briefly.

Each phase resumes. The result is an ordinary StyleGAN2: attributes are as entangled in w as the
four layers made them, and z is normal, so that truncation works.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from guidance.encoders import load_encoder
from guidance.stylegan.networks.configuration import StyleGAN2Config
from guidance.stylegan.networks.dense import Mapping, normalized
from guidance.stylegan.networks.network import StyleGAN
from recipes import portrait_mapping, portrait_sheet
from recipes.clock import Clock
from recipes.data import portrait_factors as factors
from recipes.data.portraits import Portraits
from recipes.portrait_loss import difference, feature_difference
from recipes.precision import autocast

SEED = 2026
CONFIG = StyleGAN2Config(
    channels=(128, 128, 128, 64, 32),
    z_dim=64,
    w_dim=128,
    mapping_widths=portrait_mapping.WIDTHS,
    mapping_learning_rate=1.0,
    use_noise=False,
)
BATCH, FEATURE_BATCH = 16, 8
LEARNING_RATE, BETAS = 5e-3, (0.9, 0.99)
AVERAGE = 0.999  # decay of the moving average of the weights
LATENT_BATCH, LATENT_RATE = 512, 2e-4
SAVE_SECONDS, SHEET_SECONDS = 120, 480


class Attributed(nn.Module):
    """The network, and the layers that stand for its mapping while attributes are known."""

    def __init__(self) -> None:
        super().__init__()
        self.network = StyleGAN(CONFIG)
        self.attributes = Mapping(
            factors.WIDTH, CONFIG.w_dim, portrait_mapping.ENTANGLING, learning_rate=1.0
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Images, not clamped, from `factors.vectors`."""
        synthesis = self.network.synthesis
        raw = synthesis(self.attributes(vectors))
        return raw.float() / 2 + 0.5


def latents(z: Tensor) -> dict[str, np.ndarray]:
    """The portraits that belong to normal vectors `[n, z_dim]`.

    The mapping network normalizes z, so its length is not used here either.
    """
    rotation = portrait_mapping.rotation(CONFIG.z_dim, SEED)
    return factors.draw((normalized(z) @ rotation.T).numpy())


def seeded(step: int, stream: int) -> np.random.Generator:
    """The random numbers of one step: a batch depends on the seed and the step only."""
    return np.random.default_rng([SEED, stream, step])


class Run:
    """A training phase: its checkpoint, its clock, its log."""

    def __init__(self, name: str, work: Path, minutes: float, state: dict[str, Any]) -> None:
        """`state` has what `torch.save` shall keep: modules and optimizers by name."""
        self.path, self.work, self.state = work / f"{name}.pt", work, state
        self.clock = Clock(minutes)
        if self.path.exists():
            stored = torch.load(self.path, weights_only=True)
            for key, value in self.state.items():
                value.load_state_dict(stored[key])
            self.clock.step, self.clock.spent_seconds = stored["step"], stored["spent_seconds"]
        self.saved = self.shown = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether the minutes are spent."""
        return self.clock.progress >= 1

    def report(self, losses: dict[str, float]) -> None:
        """One line of the log."""
        clock = self.clock
        values = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        print(f"step {clock.step}  {clock.spent_seconds / 60:.1f} min  {values}", flush=True)

    def keep(self, sheet: Callable[[Path], None] | None = None, now: bool = False) -> None:
        """Saves every two minutes, and shows a contact sheet every eight."""
        if now or time.monotonic() - self.saved > SAVE_SECONDS:
            stored = {key: value.state_dict() for key, value in self.state.items()}
            stored |= {"step": self.clock.step, "spent_seconds": self.clock.spent_seconds}
            partial = self.path.with_suffix(".partial")
            torch.save(stored, partial)
            partial.rename(self.path)
            self.saved = time.monotonic()
        if sheet is not None and (now or time.monotonic() - self.shown > SHEET_SECONDS):
            sheet(self.work / f"{self.path.stem}-{self.clock.step:06d}.png")
            self.shown = time.monotonic()


def regress(data: Path, work: Path, minutes: float) -> None:
    """Step 1: attributes to images."""
    torch.manual_seed(SEED)
    portraits, encoder = Portraits(data / "portraits.json"), load_encoder("mini")
    model, average = Attributed(), Attributed().requires_grad_(False)
    average.load_state_dict(model.state_dict())
    model.network.synthesis.to(memory_format=torch.channels_last)
    trained = [*model.network.synthesis.parameters(), *model.attributes.parameters()]
    optimizer = torch.optim.Adam(trained, LEARNING_RATE, BETAS)
    state = {"model": model, "average": average, "optimizer": optimizer}
    run = Run("regress", work, minutes, state)
    details = portraits.details()
    while not run.done:
        with run.clock.stepping():
            drawn = factors.sample(BATCH, seeded(run.clock.step, 0))
            wanted = portraits.images(drawn)
            with autocast("cpu"):
                images = model(torch.from_numpy(factors.vectors(drawn)))
            pixels = difference(images, wanted, details)
            part = slice(FEATURE_BATCH)
            with autocast("cpu"):
                features = feature_difference(encoder, images[part], wanted[part])
            _update(optimizer, pixels + features, run.clock.rate * LEARNING_RATE)
            decay = min(AVERAGE, (run.clock.step + 1) / (run.clock.step + 10))
            for mean, value in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        if run.clock.step % 50 == 0:
            run.report({"pixels": pixels.item(), "features": features.item()})
        run.keep(lambda path: portrait_sheet.compare(average, portraits, path))
    run.keep(lambda path: portrait_sheet.compare(average, portraits, path), now=True)


def match_latents(work: Path, minutes: float) -> None:
    """Step 2: the mapping network gives the w of the attributes that z determines."""
    torch.manual_seed(SEED + 1)
    model = trained(work)
    mapping, known = model.network.mapping, model.attributes.requires_grad_(False)
    portrait_mapping.compose(mapping, known, portrait_mapping.rotation(CONFIG.z_dim, SEED))
    optimizer = torch.optim.Adam(mapping.parameters(), LATENT_RATE, BETAS)
    run = Run("latents", work, minutes, {"mapping": mapping, "optimizer": optimizer})
    spread = known(torch.from_numpy(factors.vectors(factors.sample(4096, seeded(0, 2))))).std(0)
    while not run.done:
        with run.clock.stepping():
            draw = torch.Generator().manual_seed(SEED + run.clock.step)
            z = torch.randn(LATENT_BATCH, CONFIG.z_dim, generator=draw)
            wanted = known(torch.from_numpy(factors.vectors(latents(z))))
            error = (mapping(z) - wanted) / (spread + 0.05 * spread.mean())
            loss = error.abs().mean()  # between two attributes, one of them is better than a mean
            _update(optimizer, loss, run.clock.rate * LATENT_RATE)
        if run.clock.step % 200 == 0:
            run.report({"unexplained": error.square().mean().item(), "loss": loss.item()})
        run.keep()
    with torch.no_grad():
        z = torch.randn(20_000, CONFIG.z_dim, generator=torch.Generator().manual_seed(SEED))
        mapping.w_avg.copy_(mapping(z).mean(0))
    run.keep(lambda path: portrait_sheet.samples(model.network, path), now=True)


def trained(work: Path) -> Attributed:
    """The averaged model of step 1, with the mapping of step 2 where that has been done."""
    model = Attributed()
    stored = torch.load(work / "regress.pt", weights_only=True)["average"]
    own = model.state_dict()  # the mapping of the network is not trained in step 1
    model.load_state_dict(
        {name: own[name] if "network.mapping" in name else stored[name] for name in own}
    )
    if (work / "latents.pt").exists():
        stored = torch.load(work / "latents.pt", weights_only=True)
        model.network.mapping.load_state_dict(stored["mapping"])
    return model


def _update(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    if not math.isfinite(loss.item()):
        raise FloatingPointError("the loss is not finite")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the mini StyleGAN2")
    parser.add_argument("--data", type=Path, required=True, help="where portraits.json lies")
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints lie")
    parser.add_argument("--phase", choices=("regress", "latents"), default="regress")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.phase == "regress":
        regress(arguments.data, arguments.work, arguments.minutes)
    else:
        match_latents(arguments.work, arguments.minutes)
