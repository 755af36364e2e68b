"""Values of Content by hand, and the towers that it looks into."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.content import Content
from guidance.losses.text.context import LossContext
from guidance.outputs import Rendering
from tests.losses.stand_ins import Linear, context, everything


class Mirror(Encoder):
    """Shows the image itself, its double, its square, and its mean."""

    name = family = "mirror"

    def image_maps(self, images: Tensor) -> list[Tensor]:
        return [images, 2 * images, images.square(), images.mean((2, 3), keepdim=True)]


class Blind(Encoder):
    name = family = "blind"


def plain(*greys: float) -> Rendering:
    image = torch.tensor(greys, dtype=torch.float64).view(-1, 1, 1, 1, 1).repeat(1, 1, 3, 6, 6)
    return Rendering(image.requires_grad_())


def test_value() -> None:
    """From 0.5 to 0.8: 0.6^2 of the double, which is 1, and (0.39 / 0.25)^2 of the square."""
    loss = Content(encoder=Mirror(), size=6)
    loss.prepare(plain(0.5, 0.5))
    value = loss(plain(0.8, 0.5), context()).detach()
    wanted = (0.6**2 / 1.0**2 + (0.39 / 0.25) ** 2) / 2
    assert torch.allclose(value, torch.tensor([wanted, 0.0], dtype=torch.float64))


def test_depths_are_shares_of_the_blocks() -> None:
    loss = Content(encoder=Mirror(), size=6, depths=(0.25, 1.0))
    loss.prepare(plain(0.5))
    assert loss(plain(0.8), context(1)).item() == pytest.approx((0.3 / 0.5) ** 2)


def test_transparent_pictures_lie_on_white() -> None:
    loss = Content(encoder=Mirror(), size=6)
    loss.prepare(plain(1.0))
    clear = torch.zeros(1, 1, 1, 6, 6, dtype=torch.float64)
    assert loss(Rendering(plain(0.0).image, clear), context(1)).item() == 0


def test_options_change_something() -> None:
    rendering = everything()
    values = []
    for options in (
        {},
        {"encoder": Linear(1)},
        {"size": 7},
        {"depths": (0.5,)},
        {"reference": rendering.image.detach() * 0.3},
    ):
        loss = Content(**({"encoder": Linear(), "size": 9} | options))  # type: ignore[arg-type]
        loss.prepare(Rendering(rendering.image.detach() * 0.7, rendering.alpha))
        values.append(loss(rendering, context()).detach())
    for value in values[1:]:
        assert not torch.allclose(value, values[0])


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="blind: gives no feature maps of its image tower"):
        Content(encoder=Blind()).prepare(plain(0.5))
    with pytest.raises(InputError, match=r"Content.depths: expected shares in \(0, 1\], got"):
        Content(depths=(0.0,))
    loss = Content(encoder=Mirror())
    loss.prepare(plain(0.5, 0.5))
    with pytest.raises(InputError, match="expected 2 x 1 images like the reference, got 1 x 1"):
        loss(plain(0.5), context(1))


def test_the_mini_clip_shows_its_maps_at_any_size() -> None:
    encoder = load_encoder("mini")
    picture = torch.rand(2, 3, 96, 64, requires_grad=True)
    maps = encoder.image_maps(picture)
    assert [tuple(m.shape) for m in maps] == [
        (2, 96, 24, 16),
        (2, 192, 12, 8),
        (2, 192, 12, 8),
        (2, 384, 6, 4),
    ]
    assert torch.autograd.grad(maps[1].sum(), picture)[0].abs().sum() > 0


def test_other_towers_fit_pictures_to_their_size() -> None:
    maps = load_encoder("mini-judge").image_maps(torch.rand(1, 3, 200, 100))
    assert len(maps) == 5 and maps[-1].shape[-2:] == (3, 3)


def test_the_losses_of_several_encoders_are_summed() -> None:
    names = ("mini", "ViT-B-32/openai")
    terms = Content.from_options(Content.Options(encoder=names), LossContext(prompts=()))
    assert [term.loss.encoders for term in terms] == [(name,) for name in names]
