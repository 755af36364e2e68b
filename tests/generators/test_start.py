"""Images to start from: shown as they are, in levels that still work coarse to fine."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.param.color import from_rgb, to_rgb
from guidance.generators.image.param.levels import Levels
from guidance.generators.image.pyramid import Pyramid


def photo(height: int = 64, width: int = 64) -> Tensor:
    """Smooth colours with a black and a white square."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 6, generator=random)
    picture = F.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)
    picture[:, 8:16, 8:16] = 0
    picture[:, 40:48, 20:28] = 1
    return picture


@pytest.mark.parametrize("decorrelate", [False, True])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 64), (64, 33)])
def test_a_pyramid_starts_as_the_picture(height: int, width: int, decorrelate: bool) -> None:
    picture = photo(height, width)
    generator = Pyramid((3, 4), (height, width), finest=64, decorrelate=decorrelate, start=picture)
    shown = generator().image[:, 0]
    assert shown.shape == (2, 3, height, width)
    assert ((shown - picture).abs().mean((1, 2, 3)) < 0.02).all()
    assert not torch.equal(shown[0], shown[1]), "two seeds start alike"


def test_levels_hold_what_the_coarser_ones_cannot() -> None:
    values = torch.arange(16.0).view(1, 4, 4)
    levels = Levels((0,), 1, 4, start_sd=0.0, start=values)
    assert levels.levels[0].item() == pytest.approx(7.5)
    assert levels.levels[1].flatten().tolist() == pytest.approx([-5, -3, 3, 5])
    assert torch.allclose(levels(4)[0], values, atol=1e-5)


def test_a_cutout_starts_as_the_picture_and_its_alpha() -> None:
    picture = photo()
    disc = Cutout((0,), 64, start=picture)()
    plain = Cutout((0,), 64)()
    assert disc.alpha is not None and plain.alpha is not None
    assert torch.equal(disc.alpha, plain.alpha)
    colors = (disc.image / disc.alpha)[..., 16:-16, 16:-16]
    assert (colors - picture[:, 16:-16, 16:-16]).abs().mean() < 0.02
    alpha = torch.zeros(1, 64, 64)
    alpha[:, 16:48, 16:48] = 1
    shown = Cutout((0,), 64, start=torch.cat([picture, alpha]))()
    assert shown.alpha is not None
    assert (shown.alpha[0, 0] - alpha).abs().mean() < 0.02


def test_colors_go_there_and_back() -> None:
    values = torch.randn(2, 3, 4, 5)
    assert torch.allclose(from_rgb(to_rgb(values)), values, atol=1e-5)


def test_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match="start: expected 1 channels, got 3"):
        Levels((0,), 1, 4, start=torch.zeros(3, 4, 4))
