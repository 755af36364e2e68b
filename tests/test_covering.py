"""Squares that cover oblong pictures: nothing is left out, nothing is stretched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.augment import Augment
from guidance.augment.covering import Covering
from guidance.types import Moment, Rendering

SIDES = [(8, 8), (8, 11), (24, 8), (8, 20)]


def picture(height: int, width: int, n: int = 2) -> Rendering:
    random = torch.Generator().manual_seed(3)
    return Rendering(torch.rand(n, 1, 3, height, width, generator=random))


def reached(rendering: Rendering, at: Moment) -> Tensor:
    """Which pixels of the first picture the squares of a moment show."""
    leaf = rendering.leaf()
    augment = Covering.plain()
    shown = augment.apply(leaf, augment.draw(at, leaf, 16))
    return torch.autograd.grad(shown.sum(), leaf.image)[0][0, 0, 0] > 0


@pytest.mark.parametrize("sides", SIDES)
def test_validation_leaves_nothing_out(sides: tuple[int, int]) -> None:
    at = Moment((0, 1), phase="validation")
    assert reached(picture(*sides), at).all()
    crops = Covering.plain().draw(at, picture(*sides), 16)
    assert crops.shape == (2, 1, -(-max(sides) // min(sides)))  # the fewest that can


@pytest.mark.parametrize("sides", SIDES)
def test_steps_reach_all_in_time_and_their_borders_wander(sides: tuple[int, int]) -> None:
    seen = [reached(picture(*sides), Moment((0, 1), step)) for step in range(12)]
    assert torch.stack(seen).any(0).all()
    drawn = [
        Covering.plain().draw(Moment((0, 1), step), picture(*sides), 16).homographies
        for step in (1, 2)
    ]
    assert torch.equal(*drawn) == (sides == (8, 8))


@pytest.mark.parametrize("sides", [(8, 20), (20, 8)])
def test_squares_are_cut_out_as_they_are(sides: tuple[int, int]) -> None:
    """At the ends, and in the middle, where 20 pixels are 8 and twice 6."""
    rendering = picture(*sides)
    augment = Covering.plain()
    crops = augment.draw(Moment((0, 1), phase="validation"), rendering, 8)
    shown = augment.apply(rendering, crops).view(2, 3, 3, 8, 8)
    along = 3 if sides[0] > sides[1] else 4
    for index, start in enumerate((0, 6, 12)):
        cut = rendering.image.narrow(along, start, 8)[:, 0]
        assert torch.allclose(shown[:, index], cut, atol=1e-5)


def test_a_square_is_seen_as_augment_sees_it_and_samples_are_apart() -> None:
    at = Moment((4, 5), 3)
    ours, theirs = (
        kind.plain().draw(at, picture(8, 8), 16).homographies for kind in (Covering, Augment)
    )
    assert torch.equal(ours, theirs)
    both = Covering.plain().draw(at, picture(8, 20), 16).homographies
    alone = Covering.plain().draw(Moment((5,), 3), picture(8, 20, n=1), 16).homographies
    assert torch.equal(both[1:], alone)
