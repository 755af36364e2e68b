"""Values of the image losses by hand."""

from __future__ import annotations

import torch

from guidance.losses.range import Range
from guidance.losses.total_variation import TotalVariation
from guidance.outputs import Rendering
from tests.losses.stand_ins import context


def test_total_variation() -> None:
    flat = torch.full((1, 3, 6, 8), 0.3)
    board = ((torch.arange(6)[:, None] + torch.arange(8)) % 2).float().expand(1, 3, 6, 8)
    ramp = (torch.arange(8) / 10).expand(1, 3, 6, 8)
    value = TotalVariation()(Rendering(torch.stack([flat, board, ramp])), context(3))
    assert torch.allclose(value, torch.tensor([0.0, 2.0, 0.1]))


def test_range() -> None:
    image = torch.full((3, 2, 3, 4, 4), 0.5)
    image[1] = 1.5
    image[2, 0, 0] = -0.3  # one of two views, one of three channels
    value = Range()(Rendering(image), context(3))
    assert torch.allclose(value, torch.tensor([0.0, 0.25, 0.09 / 6]))
