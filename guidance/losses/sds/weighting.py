"""Weightings w(t) of the update of score distillation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from guidance.diffusion.base import Level
from guidance.errors import InputError


def _one(level: Level) -> Tensor:
    return torch.ones_like(level.sigma)


def _sigma2(level: Level) -> Tensor:
    return level.sigma.square()


def _snr(level: Level) -> Tensor:
    """The signal-to-noise ratio, at most 5. Source: Hang et al. 2023 (arXiv 2303.09556)."""
    return (level.alpha / level.sigma).square().clamp_max(5.0)


def _sample(level: Level) -> Tensor:
    """Turns the update into a difference of clean latents, z - z_hat."""
    return level.sigma / level.alpha


WEIGHTINGS: dict[str, Callable[[Level], Tensor]] = {
    "one": _one,
    "sigma2": _sigma2,
    "snr": _snr,
    "sample": _sample,
}


def find_weighting(name: str) -> Callable[[Level], Tensor]:
    """The weighting of that name. Raises InputError for an unknown name."""
    if name not in WEIGHTINGS:
        raise InputError(f"weighting {name!r} is unknown; use {', '.join(WEIGHTINGS)}")
    return WEIGHTINGS[name]
