"""Generators with visible detail."""

from __future__ import annotations

import torch

from guidance.types import Generator


def with_details(generator: Generator, name: str) -> Generator:
    """The generator, with values far enough from its start that all of its detail can be seen."""
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in generator.parameters():
            amount = 0.3 * parameter.abs().mean().clamp_min(0.1 if "siren" not in name else 0.0)
            parameter.add_(amount * torch.randn(parameter.shape, generator=random))
        generator.project()
    return generator
