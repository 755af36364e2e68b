"""Values of Directional by hand, in the plane of the compass."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from guidance.augment import Augment
from guidance.losses.directional import Directional
from guidance.losses.text.direction import SOFT
from guidance.outputs import Rendering
from tests.losses.stand_ins import Linear, context, everything
from tests.losses.test_clip import Compass, close, cos, pointing


def directional(target: str | list[str], source: str, **options: object) -> Directional:
    given = {"encoder": Compass(), "augment": None} | options
    return Directional(target, source, **given)  # type: ignore[arg-type]


def test_value() -> None:
    """From 0 to 90 degrees is wanted; images went from 10 to 40: a chord towards 115 degrees."""
    loss = directional("90", "0")
    loss.prepare(pointing(10, 10))
    chord = 2 * math.sin(math.radians(15))
    softened = chord / math.hypot(chord, SOFT)
    close(loss(pointing(40, 10), context()).detach(), 1 - softened * cos(135 - 115), 1.0)


def test_at_the_reference_the_gradient_points_along_the_direction() -> None:
    rendering = pointing(10)
    loss = directional("60", "0")
    value = loss(rendering, context(1))
    slope = torch.autograd.grad(value.sum(), rendering.image)[0]
    assert value.item() == pytest.approx(1.0)
    assert slope.isfinite().all()
    assert slope[0, 0, 1].sum() < 0, "more green turns the needle towards 60 degrees"


def test_pictures_may_be_given_as_reference() -> None:
    loss = directional("90", "0", reference=pointing(10).image.detach())
    loss.prepare(pointing(70))
    other = directional("90", "0")
    other.prepare(pointing(10))
    assert torch.equal(loss(pointing(40), context(1)), other(pointing(40), context(1)))


def test_prompts_of_each_sample() -> None:
    loss = directional(["90", "-90"], "0")
    loss.prepare(pointing(0, 0))
    up, down = loss(pointing(20, 20), context()).tolist()
    assert up < 0.3 and down > 0.7


def test_options_change_something() -> None:
    rendering = everything()
    start = Rendering(rendering.image.detach() * 0.7, rendering.alpha)
    values = []
    for options in (
        {},
        {"augment": Augment(crops=4)},
        {"encoder": Linear(1)},
        {"reference": rendering.image.detach() * 0.5},
    ):
        loss = directional("a", "b", **({"encoder": Linear()} | options))
        loss.prepare(start)
        values.append(loss(rendering, context()).detach())
    for value in values[1:]:
        assert not torch.allclose(value, values[0])


def test_targets_that_mean_the_source_are_told() -> None:
    with pytest.raises(ValueError, match="mean the same"):
        directional("30", "30").prepare(pointing(0))


def test_other_pictures_than_the_reference_are_told() -> None:
    loss = directional("90", "0")
    loss.prepare(pointing(0, views=2))
    with pytest.raises(ValueError, match=r"expected images \[1, 2, 3, 4, 4\]"):
        loss(pointing(0, views=1), context(1))


def test_moving_cameras_are_told() -> None:
    rendering = everything()
    loss = directional("a", "b", encoder=Linear())
    loss.prepare(rendering)
    moved = replace(rendering.cameras, view=rendering.cameras.view + 1)
    with pytest.raises(ValueError, match="the cameras moved"):
        loss(replace(rendering, cameras=moved), context())
