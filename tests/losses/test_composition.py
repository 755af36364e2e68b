"""Palette, Symmetry, Smoothness, Border: values by hand, what the options change, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.border import Border
from guidance.losses.palette import Palette
from guidance.losses.smoothness import Smoothness
from guidance.losses.symmetry import Symmetry
from guidance.outputs import Rendering
from guidance.types import Loss
from tests.losses.stand_ins import context


def value(loss: Loss, *pictures: Tensor) -> list[float]:
    """The loss of one view a sample; an image is [h, w] or [3, h, w]."""
    image = torch.stack([p.expand(3, *p.shape[-2:]) for p in pictures])[:, None]
    rendering = Rendering(image)
    loss.prepare(rendering)
    return loss(rendering, context(len(pictures))).tolist()


RAMP = (torch.arange(8) / 10).expand(6, 8)
LEFT_HALF = torch.cat([torch.ones(6, 4), torch.zeros(6, 4)], 1)


def test_palette_is_the_distance_from_the_nearest_colour() -> None:
    dark_red = torch.tensor([0.9, 0.0, 0.0])[:, None, None].expand(3, 6, 8)
    grey = torch.full((6, 8), 0.25)
    assert value(Palette(), dark_red, grey, LEFT_HALF) == pytest.approx(
        [0.1, math.sqrt(3) / 4, 0.0], abs=1e-5
    )
    assert value(Palette(("black",)), dark_red) == pytest.approx([0.9])
    assert value(Palette(("#ff0000", "#808080")), grey) == pytest.approx(
        [math.sqrt(3) * (128 / 255 - 0.25)]
    )


def test_palette_pulls_straight_to_the_nearest_colour_and_rests_there() -> None:
    image = torch.tensor([0.3, 0.4, 0.0])[:, None, None].expand(1, 1, 3, 2, 2).clone()
    image[..., 1, 1] = 0.0
    image.requires_grad_()
    Palette()(Rendering(image), context(1)).sum().backward()
    assert image.grad is not None
    assert torch.allclose(image.grad[0, 0, :, 0, 0], torch.tensor([0.6, 0.8, 0.0]) / 4)
    assert (image.grad[..., 1, 1] == 0).all()


@pytest.mark.parametrize(
    ("axis", "expected"), [("left-right", 1.0), ("up-down", 0.0), ("both", 0.5)]
)
def test_symmetry(axis: str, expected: float) -> None:
    assert value(Symmetry(axis), LEFT_HALF) == pytest.approx([expected])


def test_symmetry_of_a_ramp() -> None:
    # Mirrored pixels differ by 0.7, 0.5, 0.3, 0.1.
    assert value(Symmetry(), RAMP) == pytest.approx([(0.49 + 0.25 + 0.09 + 0.01) / 4])


def test_smoothness_of_first_differences() -> None:
    expected = math.sqrt(0.1**2 + 0.02**2) - 0.02
    flat = torch.full((6, 8), 0.3)
    assert value(Smoothness(1, epsilon=0.02), flat, RAMP) == pytest.approx([0, expected])


def test_smoothness_of_second_differences_lets_ramps_be() -> None:
    # Each row of the half-white image bends twice, by 1, at 2 of its 6 inner pixels.
    expected = (math.sqrt(1 + 0.01**2) - 0.01) * 2 / 6
    assert value(Smoothness(), RAMP, LEFT_HALF) == pytest.approx([0, expected], abs=1e-6)
    assert value(Smoothness(), LEFT_HALF.T) == pytest.approx([expected], abs=1e-6)


def test_edge_reads_the_border_only() -> None:
    picture = torch.ones(10, 10)
    picture[1:9, 1:9] = 0.2  # an inside that is not white
    assert value(Border(), picture) == [0.0]
    assert value(Border("black"), picture) == pytest.approx([1.0])
    # Two pixels thick: 64 pixels of border, of which 28 (8 x 8 less 6 x 6) are inside.
    assert value(Border(thickness=0.2), picture) == pytest.approx([28 * 0.64 / 64])
    assert value(Border("red"), picture) == pytest.approx([2 / 3])
    assert value(Border(thickness=0.5), picture) == pytest.approx([64 * 0.64 / 100])


def test_edge_lets_a_transparent_border_be() -> None:
    alpha = torch.zeros(1, 1, 1, 10, 10)
    alpha[..., 0, :] = 0.5  # a black line: over white it shows as grey
    value = Border()(Rendering(torch.zeros(1, 1, 3, 10, 10), alpha), context(1))
    assert value.item() == pytest.approx(10 * 0.25 / 36)


def test_views_are_averaged() -> None:
    views = torch.stack([torch.ones(3, 10, 10), torch.zeros(3, 10, 10)])[None]
    assert Border()(Rendering(views), context(1)).tolist() == [0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Palette(()), r"Palette.colors: expected colors such as .*, got \(\)"),
        (lambda: Palette("red"), "Palette.colors: expected colors such as .*, got 'red'"),
        (lambda: Palette(("#12",)), "Palette.colors: expected a color .*, got '#12'"),
        (lambda: Symmetry("x"), "Symmetry.axis: .*left-right, up-down, both; got 'x'"),
        (lambda: Smoothness(3), "Smoothness.order: expected 1 or 2, got 3"),
        (lambda: Smoothness(epsilon=0.0), "Smoothness.epsilon: expected a number above 0, got 0.0"),
        (lambda: Border("sky"), "Border.color: expected a color .*, got 'sky'"),
        (lambda: Border(thickness=0.6), r"Border.thickness: .* in \(0, 0.5\].* got 0.6"),
        (lambda: value(Smoothness(), torch.zeros(2, 9)), "at least 3 pixels per side, got 2 x 9"),
    ],
)
def test_refusals(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        make()
