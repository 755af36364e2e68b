"""The generators of flat images: what their options change, and what their formulas promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from guidance.errors import InputError
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.fourier import Fourier
from guidance.generators.image.param.color import to_rgb
from guidance.generators.image.param.levels import Levels
from guidance.generators.image.pixels import Pixels
from guidance.generators.image.pyramid import Pyramid
from guidance.types import Generator

OPTIONS: list[tuple[type[Generator], str, Any]] = [
    (Pixels, "size", 24),
    (Pixels, "learning_rate", 0.1),
    (Fourier, "size", 24),
    (Fourier, "learning_rate", 0.1),
    (Fourier, "decay", 1.0),
    (Fourier, "decorrelate", False),
    (Fourier, "start_sd", 0.05),
    (Pyramid, "size", 24),
    (Pyramid, "finest", 8),
    (Pyramid, "learning_rate", 0.1),
    (Pyramid, "decorrelate", True),
    (Pyramid, "coarse", 4),
    (Cutout, "size", 24),
    (Cutout, "finest", 8),
    (Cutout, "learning_rate", 0.1),
    (Cutout, "decorrelate", True),
    (Cutout, "sharpness", 8.0),
    (Cutout, "coarse", 4),
    (Cutout, "margin", 0.0),
]


def trace(generator: Generator) -> torch.Tensor:
    """The image after two steps towards red: every option must leave its mark here."""
    optimizer = torch.optim.Adam(generator.param_groups())
    for _ in range(2):
        optimizer.zero_grad()
        (generator().over()[:, :, 1:].sum() - generator().over()[:, :, 0].sum()).backward()
        optimizer.step()
    return generator().over().detach()


@pytest.mark.parametrize(("kind", "option", "value"), OPTIONS)
def test_every_option_changes_the_result(kind: type[Generator], option: str, value: Any) -> None:
    base = {} if kind in (Pixels, Fourier) else {"finest": 16}
    plain = trace(kind(seeds=(3,), **{"size": 16, **base}))  # type: ignore[call-arg]
    changed = trace(kind(seeds=(3,), **{"size": 16, **base, option: value}))  # type: ignore[call-arg]
    assert plain.shape != changed.shape or not torch.equal(plain, changed)


def test_levels_are_a_sum_of_doublings() -> None:
    levels = Levels((0,), channels=1, finest=4)
    with torch.no_grad():
        for level in levels.levels:
            level.zero_()
        levels.levels[0].fill_(1.5)
        levels.levels[2][0, 0, 1, 2] = 2.0
    expected = torch.full((4, 4), 1.5)
    expected[1, 2] += 2.0
    assert torch.allclose(levels(4)[0, 0], expected)


@pytest.mark.parametrize("finest", [0, 3, 48])
def test_a_finest_level_that_is_no_power_of_two_is_refused(finest: int) -> None:
    with pytest.raises(InputError, match=f"power of two, e.g. 64, got {finest}"):
        Pyramid((0,), finest=finest)


def test_a_fourier_picture_of_one_coefficient_is_its_cosine() -> None:
    generator = Fourier((0,), size=8, decay=1.5, decorrelate=False)
    with torch.no_grad():
        generator.spectrum.zero_()
        generator.spectrum[0, 1, 0, 1, 0] = 0.3  # green, one wave from left to right
    x = torch.arange(8)
    # Orthonormal inverse: a pair of coefficients of size c gives 2 c / size; frequency 1/8 is
    # scaled by 8^1.5, and lucid divides by 4.
    wave = 2 * 0.3 * 8**1.5 / 8 / 4 * torch.cos(2 * torch.pi * x / 8)
    assert torch.allclose(generator().image[0, 0, 1, 3], torch.sigmoid(wave), atol=1e-5)


def test_decorrelated_brightness_moves_all_channels_alike() -> None:
    axis = torch.zeros(1, 3, 1, 1)
    axis[0, 0] = 1.0
    red, green, blue = to_rgb(axis).flatten()
    assert red > 0.5 and abs(red - green) < 0.05 and abs(green - blue) < 0.05


def test_a_cutout_starts_in_the_middle() -> None:
    alpha = Cutout((0,), size=32, finest=16)().alpha
    assert alpha is not None
    assert alpha[0, 0, 0, 14:18, 14:18].mean() > 0.6
    assert alpha[0, 0, 0, :2, :2].mean() < 0.2


def test_a_cutout_exports_its_alpha(tmp_path: Path) -> None:
    generator = Cutout((0, 1), size=32, finest=16)
    files = generator.export(tmp_path, 0)
    assert [file.name for file in files] == ["image.png", "cutout.png"]
    cutout = np.asarray(Image.open(tmp_path / "cutout.png"))
    alpha = generator().alpha
    assert alpha is not None and cutout.shape == (32, 32, 4)
    expected = (alpha[0, 0, 0] * 255).detach().numpy()
    assert np.abs(cutout[..., 3] - expected).max() <= 0.51


def test_fine_levels_rest_until_the_detail_phase() -> None:
    generator = Cutout((0,), size=16, finest=16, coarse=4)
    for progress, moving in ((0.0, 4), (0.49, 4), (0.5, 16), (1.0, 16)):
        generator.advance(progress)
        sides = [level.shape[-1] for level in generator.parameters() if level.requires_grad]
        assert max(sides) == moving
    assert max(level.shape[-1] for level in generator.outline.parameters()) == 4


def test_sharpness_follows_its_schedule_and_so_does_the_border() -> None:
    generator = Cutout((0,), size=64, finest=16, sharpness="4 -> 64 log", margin=0.25)
    soft = generator().alpha
    generator.advance(1.0)
    crisp = generator().alpha
    assert soft is not None and crisp is not None

    def grey(alpha: torch.Tensor) -> float:
        return (4 * alpha * (1 - alpha)).mean().item()

    assert grey(crisp) < 0.3 * grey(soft)
    with torch.no_grad():
        for level in generator.outline.levels:
            level.fill_(1.0)  # nothing is left but the border
    filled = generator().alpha
    assert filled is not None and grey(filled) < 0.1
    generator.advance(0.0)
    filled = generator().alpha
    assert filled is not None and grey(filled) > 0.3


def test_a_sharpness_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"Cutout.sharpness: .* above 0, got '4 -> 0'"):
        Cutout((0,), size=16, sharpness="4 -> 0")


@pytest.mark.parametrize("size", [1, (6, 9)])
def test_coarse_levels_are_enlarged_step_by_step(size: int | tuple[int, int]) -> None:
    """The sum of the levels, and its gradient, as a chain of bilinear enlargements."""
    levels = Levels((0, 1), 3, 32, 1.0, size=size)
    wanted = levels.levels[0]
    for level in list(levels.levels)[1:]:
        fine = torch.nn.functional.interpolate(wanted, level.shape[-2:], mode="bilinear")
        wanted = fine + level
    found = levels(tuple(wanted.shape[-2:]))
    torch.testing.assert_close(found, wanted)
    weights = torch.rand_like(wanted)
    ours, theirs = (
        torch.autograd.grad((maps * weights).sum(), list(levels.parameters()))
        for maps in (found, wanted)
    )
    torch.testing.assert_close(ours, theirs)
