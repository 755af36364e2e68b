"""Outline: hand-computed values on half-filled alphas, and its refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.outline import Outline
from guidance.outputs import Rendering
from guidance.types import StepContext


def shown(alpha: Tensor) -> Rendering:
    alpha = alpha.view(1, 1, 1, *alpha.shape)
    return Rendering(alpha.expand(1, 1, 3, -1, -1) * 0.5, alpha)


HALF = torch.cat([torch.ones(8, 4), torch.zeros(8, 4)], 1)
NOW = StepContext((0,), progress=0.5)


def test_an_area_within_bounds_costs_nothing() -> None:
    assert Outline((0.4, 0.6))(shown(HALF), NOW).item() == 0


@pytest.mark.parametrize(
    ("area", "expected"), [((0.8, 0.9), (1 - 0.5 / 0.8) ** 2), ((0.1, 0.2), 0.3**2)]
)
def test_an_area_out_of_bounds_costs_its_square(area: tuple[float, float], expected: float) -> None:
    assert Outline(area)(shown(HALF), NOW).item() == pytest.approx(expected)


def test_a_veil_is_as_good_as_nothing() -> None:
    veil = torch.full((8, 8), 0.2)  # mean 0.2, mean square 0.04
    assert Outline((0.2, 0.6))(shown(veil), NOW).item() == pytest.approx((1 - 0.04 / 0.2) ** 2)


def test_crispness_follows_its_schedule() -> None:
    grey = torch.full((8, 8), 0.25)
    loss = Outline((0.0, 1.0), crispness="0 -> 2")
    assert loss(shown(grey), NOW).item() == pytest.approx(1.0 * 4 * 0.25 * 0.75)
    assert Outline((0.0, 1.0), crispness=1.0)(shown(HALF), NOW).item() == 0


def test_perimeter_is_the_outline_in_sides_of_the_picture() -> None:
    assert Outline((0.0, 1.0), perimeter=0.5)(shown(HALF), NOW).item() == pytest.approx(0.5)


def test_gradient_matches_finite_differences() -> None:
    torch.manual_seed(0)
    alpha = torch.rand(6, 6, dtype=torch.float64, requires_grad=True)
    loss = Outline((0.7, 0.9), crispness=0.3, perimeter=0.2)
    assert torch.autograd.gradcheck(lambda a: loss(shown(a), NOW), alpha)


def test_refusals() -> None:
    with pytest.raises(InputError, match="0 <= low <= high <= 1"):
        Outline((0.6, 0.4))
    with pytest.raises(InputError, match="no alpha"):
        Outline().prepare(Rendering(torch.zeros(1, 1, 3, 4, 4)))
