"""Images that are moved between frames: each generator shows the same image, elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.grid import Grid
from guidance.generators.image.param.levels import Levels
from guidance.generators.image.param.warping import inside_before, warped
from guidance.generators.image.siren import Siren
from guidance.generators.image.strokes import Strokes
from guidance.generators.image.wavelet import Wavelet
from guidance.tasks.text2image import TextToImage
from guidance.types import Generator, StepContext
from guidance.views import Warp
from tests.contracts.test_generators import generators, perturbed

MOMENT = StepContext((0, 1), 7, 0.5)
MOVED = [kind for kind in generators() if kind.warp is not Generator.warp]
SMOOTH = [kind for kind in MOVED if kind is not Grid]
EACH = pytest.mark.parametrize("kind", SMOOTH, ids=lambda kind: kind.__name__)


def waves(cells: int = 32) -> Tensor:
    """Two maps of a wave that is finer in the second one."""
    y, x = torch.meshgrid(*[(torch.arange(cells) + 0.5) / cells] * 2, indexing="ij")
    return torch.stack([(f * math.pi * (2 * x + y)).sin()[None] for f in (2, 3)])


@torch.no_grad()
def moved(generator: Generator, warp: Warp, context: StepContext = MOMENT) -> Tensor:
    generator.warp(warp, context)
    generator.project()
    return generator().over()[:, 0]


def test_the_error_of_the_others_leads_to_a_page_that_names_all_that_can() -> None:
    page = (Path(__file__).parents[2] / "docs" / "animation.md").read_text()
    for name in get_args(TextToImage.model_fields["generator"].annotation):
        assert f"`{name}`" in page
    for kind in set(generators()) - set(MOVED):
        message = f"{kind.__name__}: cannot be moved between frames; docs/animation.md lists the"
        with pytest.raises(InputError, match=message):
            kind.tiny(2).warp(Warp.of(2), MOMENT)


@pytest.mark.parametrize(
    ("warp", "at"),
    [
        (Warp.of(1, zoom=2.0), (0.5, 0.0)),
        (Warp.of(1, pan=(0.125, 0.25)), (0.5, 0.5)),
        (Warp.of(1, rotate_deg=90.0), (0.0, -0.25)),
        (Warp.of(1, 2.0, (0.125, 0.0), 90.0), (0.25, -0.5)),
    ],
)
def test_a_warp_says_where_things_come_to(warp: Warp, at: tuple[float, float]) -> None:
    """From a quarter to the right of the middle; y is down, turns are counterclockwise."""
    place = torch.tensor([0.25, 0.0, 1.0], dtype=torch.float64)
    found = warp.matrix[0] @ place
    assert torch.allclose(found, torch.tensor(at, dtype=torch.float64))
    back = warp.back()[0] @ torch.cat([found, found.new_ones(1)])
    assert torch.allclose(back, place[:2])
    spots = torch.zeros(1, 1, 64, 64)
    spots[:, :, 31:33, 39:41] = 1
    index = int(warped(spots, warp).argmax())
    middle = torch.tensor([index % 64, index // 64]) / 32 - 1
    assert (middle - torch.tensor(at)).abs().max() < 0.05


def test_a_hundred_warps_keep_a_wave_and_its_mean() -> None:
    """Four cells and more a wave: see the figures in `warping`."""
    cells = 64
    wave = (torch.arange(cells) * math.pi / 2 + 0.4).sin().expand(1, 1, cells, cells) + 0.3
    now = wave
    for step in range(120):
        now = warped(now, Warp.of(1, pan=(0.37 / cells * (-1) ** step, 0.0)))
    inner, before = now[..., 8:-8], wave[..., 8:-8]
    assert inner.mean() == pytest.approx(float(before.mean()), abs=1e-3)
    assert 0.7 < inner.std() / before.std() <= 1.0


def test_a_warped_wave_is_the_wave_at_where_it_came_from() -> None:
    warp = Warp.of(2, 1.1, (0.05, -0.1), 20.0)
    line = (torch.arange(32) + 0.5) / 16 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], -1)
    x, y = torch.einsum("hwk,ck->chw", places, warp.back()[0].float())
    expected = torch.stack([(f * math.pi * (x + y / 2 + 1.5)).sin()[None] for f in (2, 3)])
    inside = ((x.abs() < 0.85) & (y.abs() < 0.85)).expand_as(expected)
    assert inside.float().mean() > 0.5
    assert (warped(waves(), warp) - expected)[inside].abs().max() < 0.01


def test_what_comes_in_is_mirrored_and_told() -> None:
    maps = waves()
    warp = Warp.of(2, pan=(0.25, 0.0))
    now = warped(maps, warp)
    assert torch.allclose(now[..., 8:], maps[..., :-8], atol=1e-5)
    assert torch.allclose(now[..., :8], maps[..., :8].flip(-1), atol=1e-5)
    seen = inside_before(maps, warp)
    assert (seen[..., 8:] == 1).all() and (seen[..., :8] == 0).all()


@EACH
def test_the_picture_stays_where_nothing_moves(kind: type[Generator]) -> None:
    generator = perturbed(kind)
    before = generator().over()[:, 0].detach().clone()
    assert (moved(generator, Warp.of(2)) - before).abs().max() < 2e-3


@EACH
def test_the_picture_moves_as_the_warp_says(kind: type[Generator]) -> None:
    """Towards the image that torch moves, and away from the one that has not moved."""
    generator = smooth(kind)
    before = generator().over()[:, 0].detach().clone()
    warp = Warp.of(2, 1.1, (0.06, 0.0), 10.0)
    grid = F.affine_grid(warp.back().float(), list(before.shape), align_corners=False)
    expected = F.grid_sample(
        before, grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    # A cutout fades along the border, wherever its thing is.
    margin = before.shape[-1] // 4
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    now = moved(generator, warp)
    error = (now - expected)[inside].square().mean()
    assert error < 0.1 * (now - before)[inside].square().mean()


def smooth(kind: type[Generator]) -> Generator:
    """An instance away from its start, whose image has few fine details."""
    if kind is Strokes:
        return Strokes((0, 1), 48, num_strokes=12, widths=(0.05, 0.3))
    if kind is Wavelet:
        return Wavelet((0, 1), 32, start_sd=0.3)
    generator: Generator = kind((0, 1), 32, **({"omega": 4.0} if kind is Siren else {}))  # type: ignore[call-arg]
    with torch.no_grad():
        if kind is Siren:
            return generator
        if kind is Cutout:
            generator.color.levels[3].normal_(generator=torch.Generator().manual_seed(0))
            return generator
        name, values = next(iter(generator.named_parameters()))
        if name == "pixels":
            values.copy_(0.5 + 0.4 * waves())
        elif name == "spectrum":
            values[:, :, 4:-3], values[:, :, :, 4:] = 0, 0
            values *= 30
        else:
            generator.color.levels[3].normal_(generator=torch.Generator().manual_seed(0))
    return generator


@EACH
def test_each_sample_is_moved_by_its_own_warp(kind: type[Generator]) -> None:
    one, both = perturbed(kind), perturbed(kind)
    still, turned = Warp.of(1).matrix, Warp.of(1, rotate_deg=30.0).matrix
    first = moved(one, Warp(torch.cat([turned, turned])))
    second = moved(both, Warp(torch.cat([turned, still])))
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_levels_are_split_again_so_that_the_coarse_ones_hold_the_means() -> None:
    levels = Levels((0, 1), 2, 16, 1.0)
    levels.warp(Warp.of(2, 1.05, (0.01, 0.02), 5.0))
    whole, total = levels(16), None
    for level in levels.levels:
        total = (
            level
            if total is None
            else level + F.interpolate(total, scale_factor=2, mode="bilinear", align_corners=False)
        )
        assert torch.allclose(total, F.adaptive_avg_pool2d(whole, level.shape[-1]), atol=1e-5)


def test_the_outline_of_a_cutout_goes_on_as_its_disc() -> None:
    """Mirrored, a thing that touches the border would come in a second time."""
    cutout = Cutout((0,), 32, finest=16, margin=0.0)
    with torch.no_grad():
        cutout.outline.levels[-1] += 3.0
        cutout.warp(Warp.of(1, pan=(0.5, 0.0)), StepContext((0,)))
    alpha = cutout().alpha
    assert alpha is not None
    assert alpha[..., :12].max() < 0.8 and alpha[..., 18:].min() > 0.99


@pytest.mark.parametrize("wavelet", ["cdf97", "haar"])
@pytest.mark.parametrize("size", [16, 18, 21])
def test_wavelets_come_back_from_their_picture(wavelet: str, size: int) -> None:
    generator = Wavelet((0, 1), size, wavelet=wavelet)
    before = {name: values.clone() for name, values in generator.named_parameters()}
    with torch.no_grad():
        generator.warp(Warp.of(2), MOMENT)
    for name, values in generator.named_parameters():
        assert torch.allclose(values, before[name], atol=1e-4), name


def test_a_siren_is_moved_exactly() -> None:
    generator = Siren((0, 1), 32)
    matrix = Warp.of(2, 1.3, (0.1, 0.2), 33.0)
    places = torch.rand(2, 50, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    came_from = matrix.matrix.float()
    to = places @ came_from[..., :2].mT + came_from[:, None, :, 2]
    with torch.no_grad():
        before = generator._values(places)
        generator.warp(matrix, MOMENT)
        assert torch.allclose(generator._values(to), before, atol=1e-4)


def test_strokes_are_moved_exactly_and_those_that_leave_start_anew() -> None:
    strokes = Strokes((0, 1), 32, num_strokes=40)
    before, width = strokes.points.detach().clone(), strokes.width.detach().clone()
    strokes.requires_grad_(False)
    strokes.warp(Warp.of(2, 1.5, (0.1, 0.0)), MOMENT)
    expected = (before - 0.5) * 1.5 + 0.5 + torch.tensor([0.1, 0.0])
    gone = ((expected.amax(-2) < 0) | (expected.amin(-2) > 1)).any(-1)
    assert 0 < gone.sum() < gone.numel()
    assert torch.allclose(strokes.points[~gone], expected[~gone], atol=1e-6)
    assert torch.allclose(strokes.width[~gone], 1.5 * width[~gone])
    assert (strokes.color[gone][:, 3] == Strokes.ANEW_OPACITY).all()
    middles = strokes.points[gone].mean(-2)
    assert middles.min() >= 0 and middles.max() <= 1
    other = Strokes((0, 1), 32, num_strokes=40).requires_grad_(False)
    other.warp(Warp.of(2, 1.5, (0.1, 0.0)), StepContext((0, 1), 8, 0.5))
    assert not torch.equal(other.points[gone], strokes.points[gone])


@pytest.mark.parametrize("palette", [None, 4])
@pytest.mark.parametrize("tileable", [False, True])
def test_a_grid_moves_whole_cells(palette: int | None, tileable: bool) -> None:
    grid = Grid((0, 1), 16, cells=8, palette=palette, tileable=tileable)
    with torch.no_grad():
        before = grid.tiles().clone()
        grid.warp(Warp.of(2, pan=(0.25, -0.125)), MOMENT)
        after = grid.tiles()
    assert torch.equal(after[..., :-1, 2:], before[..., 1:, :-2])
    corner = before[..., 1:, -2:] if tileable else before[..., 1:, :2].flip(-1)
    assert torch.equal(after[..., :-1, :2], corner)


@pytest.mark.parametrize(
    "warp", [Warp.of(2, 1.02), Warp.of(2, rotate_deg=2.0), Warp.of(2, pan=(0.01, 0.0))]
)
def test_a_grid_refuses_what_is_no_whole_cell(warp: Warp) -> None:
    with pytest.raises(InputError, match="grid: expected a pan of whole cells"):
        Grid.tiny(2).warp(warp, MOMENT)
