"""Values of the picture losses by hand."""

from __future__ import annotations

import torch

from guidance.losses.image import Range, TotalVariation
from guidance.types import Rendering
from tests.losses.stand_ins import moment


def test_total_variation() -> None:
    flat = torch.full((1, 3, 6, 8), 0.3)
    board = ((torch.arange(6)[:, None] + torch.arange(8)) % 2).float().expand(1, 3, 6, 8)
    ramp = (torch.arange(8) / 10).expand(1, 3, 6, 8)
    value = TotalVariation()(Rendering(torch.stack([flat, board, ramp])), moment(3))
    assert torch.allclose(value, torch.tensor([0.0, 2.0, 0.1]))


def test_range() -> None:
    image = torch.full((3, 2, 3, 4, 4), 0.5)
    image[1] = 1.5
    image[2, 0, 0] = -0.3  # one of two views, one of three channels
    value = Range()(Rendering(image), moment(3))
    assert torch.allclose(value, torch.tensor([0.0, 0.25, 0.09 / 6]))
