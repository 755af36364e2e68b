"""Wavelet, Siren, Grid and Strokes: what their options change, and what their formulas promise."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.grid import Grid
from guidance.generators.image.param.bezier import Tiles, _distance, _reached, paint
from guidance.generators.image.siren import Siren
from guidance.generators.image.strokes import Strokes
from guidance.generators.image.wavelet import Wavelet, _merge
from guidance.types import Generator
from tests.generators.test_pictures import trace

#: What each generator is made with, apart from the option that is walked.
BASES: dict[type[Generator], dict[str, Any]] = {
    Wavelet: {"size": 32},
    Siren: {"size": 16, "width": 8, "layers": 2},
    Grid: {"size": 16, "cells": 4},
    Strokes: {"size": 16, "num_strokes": 6},
}
OPTIONS: list[tuple[type[Generator], str, Any]] = [
    (Wavelet, "size", 19),
    (Wavelet, "learning_rate", 0.3),
    (Wavelet, "decay", 1.0),
    (Wavelet, "skip_levels", 0),
    (Wavelet, "wavelet", "haar"),
    (Wavelet, "decorrelate", True),
    (Wavelet, "start_sd", 0.2),
    (Siren, "size", 24),
    (Siren, "learning_rate", 0.1),
    (Siren, "width", 12),
    (Siren, "layers", 3),
    (Siren, "omega", 10.0),
    (Siren, "decorrelate", True),
    (Grid, "size", 24),
    (Grid, "cells", 8),
    (Grid, "palette", 4),
    (Grid, "palette", ("black", "#ff8000")),
    (Grid, "tileable", True),
    (Grid, "learning_rate", 0.1),
    (Strokes, "size", 24),
    (Strokes, "num_strokes", 7),
    (Strokes, "widths", (0.1, 0.2)),
    (Strokes, "ground", "learned"),
    (Strokes, "ground", "#ffff00"),
    (Strokes, "learning_rate", 2.0),
]


def make(kind: type[Generator], **options: Any) -> Any:
    return kind(**{"seeds": (3,), **BASES[kind], **options})


@pytest.mark.parametrize(("kind", "option", "value"), OPTIONS)
def test_every_option_changes_the_result(kind: type[Generator], option: str, value: Any) -> None:
    plain, changed = trace(make(kind)), trace(make(kind, **{option: value}))
    assert plain.shape != changed.shape or not torch.equal(plain, changed)


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: make(Wavelet, size=3), "Wavelet.size: expected at least 4 pixels, got 3"),
        (lambda: make(Wavelet, wavelet="db4"), 'expected "cdf97" or "haar", got \'db4\''),
        (lambda: make(Wavelet, skip_levels=4), "skip_levels: expected 0 to 3 at 32 pixels, got 4"),
        (lambda: make(Siren, width=0), "Siren.width: expected at least 1, got 0"),
        (lambda: make(Siren, export_size=0), "Siren.export_size: expected at least 1, got 0"),
        (lambda: make(Siren, omega=0.0), "Siren.omega: expected a number above 0.*got 0.0"),
        (lambda: make(Grid, cells=0), "Grid.cells: expected at least 1, got 0"),
        (lambda: make(Grid, cells=5), "size: .* multiple of the 5 cells .* got 16; use e.g. 15"),
        (lambda: make(Grid, size=12, tileable=True), "the 8 cells .* got 12; use e.g. 16"),
        (lambda: make(Grid, export_size=30), "export_size: .* the 4 cells .* got 30; use e.g. 32"),
        (lambda: make(Grid, temperature=1.0), "Grid.temperature: applies only to a palette"),
        (lambda: make(Grid, palette=4, temperature="1 -> 0"), "values above 0, got '1 -> 0'"),
        (lambda: make(Grid, palette=1), "Grid.palette: expected 2 to 256 colors, got 1"),
        (lambda: make(Grid, palette=("red",)), r"a number or 2 to 256 colors.*got \('red',\)"),
        (
            lambda: make(Grid, palette=("red", "#1")),
            "Grid.palette: expected a color such as .* got '#1'",
        ),
        (lambda: make(Strokes, size=0), "Strokes.size: expected at least 1, got 0"),
        (lambda: make(Strokes, export_size=0), "Strokes.export_size: expected at least 1, got 0"),
        (lambda: make(Strokes, num_strokes=0), "Strokes.num_strokes: expected at least 1, got 0"),
        (lambda: make(Strokes, widths=(0.1, 0.1)), r"0 < least < greatest <= 1, got \(0.1, 0.1\)"),
        (
            lambda: make(Strokes, ground="sky"),
            "Strokes.ground: expected a color such as .* got 'sky'",
        ),
    ],
)
def test_refusals(make_it: Callable[[], Generator], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_it()


@pytest.mark.parametrize("kind", list(BASES), ids=lambda kind: kind.__name__)
def test_a_sample_alone_is_the_same_as_among_others_to_the_bit(kind: type[Generator]) -> None:
    options: dict[str, Any] = {"size": 32} | ({"palette": 4} if kind is Grid else {})
    alone, among = make(kind, **options), make(kind, **options, seeds=(3, 8, 1))
    pictures = [generator().image for generator in (alone, among)]
    for picture in pictures:
        picture.square().sum().backward()
    assert torch.equal(pictures[0][0], pictures[1][0])
    for mine, theirs in zip(alone.parameters(), among.parameters(), strict=True):
        assert torch.equal(mine.grad[0], theirs.grad[0])


# --- Wavelet


def forward_cdf97(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The forward transform written out, one number at a time."""
    value = list(signal)
    last = len(value) - 1

    def at(place: int) -> float:
        return value[-place if place < 0 else place if place <= last else 2 * last - place]

    steps = (-1.586134342, -0.05298011854, 0.8829110762, 0.4435068522)
    for index, step in enumerate(steps):
        for place in range(1 - index % 2, last + 1, 2):
            value[place] += step * (at(place - 1) + at(place + 1))
    return np.array(value[0::2]) * 1.149604398, np.array(value[1::2]) / 1.149604398


@pytest.mark.parametrize("width", [8, 9, 5])
def test_merging_undoes_the_forward_transform(width: int) -> None:
    signal = np.random.default_rng(0).random(width)
    low, high = (torch.tensor(band)[None, None, None] for band in forward_cdf97(signal))
    assert torch.allclose(_merge(low, high, "cdf97")[0, 0, 0], torch.tensor(signal))


@pytest.mark.parametrize("wavelet", ["cdf97", "haar"])
def test_low_values_alone_are_a_plain_picture(wavelet: str) -> None:
    for width in (6, 7):
        low, high = torch.ones(1, 1, 2, (width + 1) // 2), torch.zeros(1, 1, 2, width // 2)
        plain = torch.full((1, 1, 2, width), 1 / math.sqrt(2))
        assert torch.allclose(_merge(low, high, wavelet), plain, atol=1e-6)


def test_a_haar_coefficient_is_two_squares() -> None:
    generator = Wavelet((0,), size=8, decay=1.0, skip_levels=0, wavelet="haar", decorrelate=False)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
        generator.coarse[0, 0, 0, 0] = 0.5
        generator.across[0][0, 1, 2, 3] = 0.5
    picture = torch.atanh(2 * generator().image[0, 0].detach() - 1)
    assert torch.allclose(picture[0, :2, :2], torch.tensor(0.5), atol=1e-5)
    assert torch.allclose(picture[1, 4:6, 6], torch.tensor(0.5), atol=1e-5)
    assert torch.allclose(picture[1, 4:6, 7], torch.tensor(-0.5), atol=1e-5)
    assert picture.abs().sum().item() == pytest.approx(4 * 0.5 + 4 * 0.5, abs=1e-4)


def test_there_are_as_many_coefficients_as_pixels() -> None:
    for size in (16, 19, 37):
        generator = Wavelet((0,), size=size, skip_levels=0)
        assert sum(parameter.numel() for parameter in generator.parameters()) == 3 * size**2


# --- Siren


def test_a_siren_is_its_formula() -> None:
    generator = Siren((0, 1), size=8, width=5, layers=2, omega=7.0)
    x, y = torch.tensor(3 / 4 - 1 / 8), torch.tensor(-1 + 1 / 8)  # the middle of pixel (0, 6)
    values = torch.stack([x, y])
    for layer in (0, 1):
        weight, bias = generator.weights[layer][1], generator.biases[layer][1, 0]
        values = torch.sin(7.0 * (values @ weight + bias))
    values = values @ generator.weights[2][1] + generator.biases[2][1, 0]
    expected = (1 + torch.tanh(values)) / 2
    assert torch.allclose(generator().image[1, 0, :, 0, 6], expected, atol=1e-5)


def test_a_siren_starts_with_normal_arguments_of_its_sines() -> None:
    weight = Siren((0,), width=64, omega=30.0).weights[1].detach()
    assert weight.abs().max() <= math.sqrt(6 / 64) / 30
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 64) / 30, rel=0.05)


def test_a_siren_exports_any_size_of_the_same_picture(tmp_path: Path) -> None:
    generator = Siren((0,), size=8, width=8, omega=5.0, export_size=24)
    generator.export(tmp_path, 0)
    exported = np.asarray(Image.open(tmp_path / "image.png"))
    assert exported.shape == (24, 24, 3)
    # With three times the pixels, every middle of a small pixel is one of a large one.
    shown = generator().image[0, 0].permute(1, 2, 0).detach().numpy()
    assert np.abs(exported[1::3, 1::3] / 255 - shown).max() < 0.003


# --- Grid


def test_the_temperature_changes_the_result_and_follows_progress() -> None:
    plain, cooler = (make(Grid, palette=4, temperature=t) for t in (1.0, 0.1))
    assert not torch.equal(trace(plain), trace(cooler))
    generator = make(Grid, palette=4, temperature="2 -> 1")
    assert generator.temperature == 2
    generator.advance(0.5)
    assert generator.temperature == 1.5


def test_cells_show_their_likeliest_colour_and_pull_like_the_mixture() -> None:
    generator = Grid((0,), size=4, cells=2, palette=("black", "red", "white"), temperature=0.5)
    choices = torch.tensor([0.0, 1.0, 0.5])
    with torch.no_grad():
        generator.choices.copy_(choices[None, :, None, None].expand(1, 3, 2, 2))
    image = generator().image
    assert torch.equal(image[0, 0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    image[0, 0, 1, :2, :2].sum().backward()  # the four pixels of one cell, green
    p = (choices / 0.5).softmax(0)
    green = torch.tensor([0.0, 0.0, 1.0])
    expected = 4 * p * (green - (p * green).sum()) / 0.5
    assert generator.choices.grad is not None
    assert torch.allclose(generator.choices.grad[0, :, 0, 0], expected)
    assert generator.choices.grad[0, :, 1:].abs().sum() == 0


def test_given_colours_are_kept_and_learned_ones_are_not() -> None:
    given, learned = make(Grid, palette=("black", "white")), make(Grid, palette=2)
    assert [name for name, _ in given.named_parameters()] == ["choices"]
    assert {name for name, _ in learned.named_parameters()} == {"choices", "palette"}
    assert set(trace(given).unique().tolist()) <= {0.0, 1.0}


def test_learned_colours_start_spread_out() -> None:
    palette = Grid((0, 1, 2), palette=8).palette
    apart = torch.cdist(palette, palette) + 2 * torch.eye(8)
    assert apart.min() > 0.3
    assert palette.min() >= 0 and palette.max() < 1


def test_a_tile_is_shown_two_by_two_and_exported_once(tmp_path: Path) -> None:
    generator = Grid((0,), size=16, cells=4, tileable=True, export_size=8)
    files = generator.export(tmp_path, 0)
    assert [file.name for file in files] == ["image.png", "cells.png"]
    image, cells = (np.asarray(Image.open(file)) for file in files)
    assert image.shape == (8, 8, 3) and cells.shape == (4, 4, 3)
    assert (image == cells.repeat(2, 0).repeat(2, 1)).all()
    shown = (generator().image[0, 0] * 255).round().permute(1, 2, 0).detach().numpy()
    assert (shown == np.tile(image, (2, 2, 1))).all()


# --- Strokes


def random_curves(count: int, size: int, seed: int = 0) -> Tensor:
    """Control points all over the image and beyond, so that many curves bend and cross."""
    random = torch.Generator().manual_seed(seed)
    places = torch.rand(1, count, 4, 2, generator=random, dtype=torch.float64)
    return (1.2 * places - 0.1) * size


def densely(points: Tensor, count: int = 4000) -> Tensor:
    """Many places on each curve, `[s, count, 2]`, by Bernstein's polynomials."""
    t = torch.linspace(0, 1, count, dtype=points.dtype)[:, None]
    weights = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
    return weights @ points[0]


def middles(size: int) -> Tensor:
    line = torch.arange(size, dtype=torch.float64) + 0.5
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).flatten(0, 1)


def test_distances_are_those_of_a_dense_search() -> None:
    points, pixels = random_curves(40, size=24), middles(24)
    expected = torch.cdist(pixels[None], densely(points)).amin(-1)
    found = _distance(points[0], pixels)
    assert (found > expected - 1e-2).all()
    near = expected < 3  # what a stroke of moderate width can colour
    assert (found - expected)[near].abs().mean() < 2e-3
    assert (found - expected)[near].abs().quantile(0.99) < 0.02


def test_no_tile_that_a_stroke_colours_is_left_out() -> None:
    points = random_curves(50, size=64)
    width = torch.linspace(0.1, 6, 50, dtype=torch.float64)[None]
    tiles = Tiles.of(64)
    reached = _reached(points, width, tiles)[0]
    distance = torch.cdist(middles(64)[None], densely(points, 400)).amin(-1)
    colored = (distance < width.T / 2 + 0.5).view(50, 8, 8, 8, 8).any(4).any(2).flatten(1).T
    assert not (colored & ~reached).any()
    assert reached.sum() < 2.5 * colored.sum(), "most pairs are worked on in vain"


def straight(y: float, width: float, color: tuple[float, ...], size: int = 16) -> dict[str, Tensor]:
    """A level stroke that crosses the whole image."""
    x = torch.linspace(-8, size + 8, 4, dtype=torch.float64)
    points = torch.stack([x, torch.full_like(x, y)], -1)[None, None]
    width_ = torch.tensor([[width]], dtype=torch.float64)
    return {
        "points": points, "width": width_, "color": torch.tensor([[color]], dtype=torch.float64),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("y", "width", "rows"),
    [
        (8.0, 4.0, {5: 0, 6: 1, 7: 1, 8: 1, 9: 1, 10: 0}),  # from 6 to 10
        (8.0, 3.0, {5: 0, 6: 0.5, 7: 1, 8: 1, 9: 0.5, 10: 0}),
        (8.5, 0.4, {7: 0, 8: 0.4, 9: 0}),  # thinner than a pixel
        (8.0, 0.4, {6: 0, 7: 0.2, 8: 0.2, 9: 0}),
    ],
)
def test_coverage_is_the_share_of_the_pixel(y: float, width: float, rows: dict[int, float]) -> None:
    ground = torch.ones(1, 3, dtype=torch.float64)
    picture = paint(**straight(y, width, (0.0, 1.0, 0.5, 0.8)), ground=ground, size=16)
    for row, coverage in rows.items():
        alpha = 0.8 * coverage
        expected = torch.tensor([1 - alpha, 1.0, 1 - 0.5 * alpha], dtype=torch.float64)
        assert torch.allclose(picture[0, :, row], expected[:, None].expand(3, 16), atol=1e-5)


def test_later_strokes_lie_over_earlier_ones() -> None:
    red, blue = (straight(8, 6, color) for color in ((1, 0, 0, 1), (0, 0, 1, 0.75)))
    both = {name: torch.cat([red[name], blue[name]], 1) for name in red}
    picture = paint(**both, ground=torch.ones(1, 3, dtype=torch.float64), size=16)
    assert torch.allclose(picture[0, :, 8, 8], torch.tensor([0.25, 0, 0.75], dtype=torch.float64))


def test_gradients_match_finite_differences() -> None:
    points = random_curves(5, size=12, seed=1).requires_grad_()
    random = torch.Generator().manual_seed(2)
    width = (1 + 2 * torch.rand(1, 5, generator=random, dtype=torch.float64)).requires_grad_()
    color = torch.rand(1, 5, 4, generator=random, dtype=torch.float64).requires_grad_()
    ground = torch.rand(1, 3, generator=random, dtype=torch.float64).requires_grad_()
    weights = torch.rand(1, 3, 12, 12, generator=random, dtype=torch.float64)

    def value(points: Tensor, width: Tensor, color: Tensor, ground: Tensor) -> Tensor:
        return (paint(points, width, color, ground, 12) * weights).sum()

    leaves = (points, width, color, ground)
    assert torch.autograd.gradcheck(value, leaves, eps=1e-6, atol=2e-3, rtol=1e-2)


def test_strokes_start_spread_out_and_visible() -> None:
    generator = Strokes((0, 1), num_strokes=256)
    middle = generator.points.detach().mean(2)
    for sample in middle:
        counts = torch.histogramdd(sample, bins=[4, 4], range=[0.0, 1.0, 0.0, 1.0]).hist
        assert counts.min() >= 10 and counts.max() <= 22  # 16 strokes in each sixteenth
    lengths = generator.points.diff(dim=2).norm(dim=-1).sum(-1)
    assert torch.allclose(lengths, torch.tensor(Strokes.START_LENGTH), atol=1e-5)
    assert generator.color[..., 3].min() >= 0.5


def test_strokes_move_at_three_rates() -> None:
    groups = make(Strokes, ground="learned", learning_rate=2.0).param_groups()
    rates = [group["lr"] for group in groups]
    assert rates == pytest.approx([2 / 224, 0.2 / 224, 0.02, 0.02])


def test_projection_keeps_strokes_in_range() -> None:
    generator = make(Strokes, widths=(0.02, 0.1), ground="learned")
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(50).sub_(20)
        generator.project()
    assert generator.points.min().item() == pytest.approx(-0.1)
    assert generator.points.max() <= 1.1001
    assert generator.width.min() >= 0.02 and generator.width.max() <= 0.1
    assert {generator.color.min().item(), generator.color.max().item()} == {0, 1}
    assert generator.ground.min() >= 0 and generator.ground.max() <= 1


def test_the_svg_holds_the_numbers(tmp_path: Path) -> None:
    generator = make(Strokes, ground="#102030")
    files = generator.export(tmp_path, 0)
    assert [file.name for file in files] == ["image.png", "strokes.svg"]
    text = files[1].read_text()
    assert 'viewBox="0 0 16 16"' in text and '<rect width="16" height="16" fill="#102030"/>' in text
    assert 'fill="none" stroke-linecap="round"' in text
    paths = re.findall(
        r'<path d="M (.*?) C (.*?)" stroke="#(.*?)" stroke-opacity="(.*?)" stroke-width="(.*?)"/>',
        text,
    )
    assert len(paths) == 6
    for index, (move, curve, rgb, opacity, width) in enumerate(paths):
        places = torch.tensor([float(x) for x in f"{move} {curve}".replace(",", "").split()])
        expected = 16 * generator.points[0, index].flatten()
        assert torch.allclose(places, expected, atol=6e-4)
        assert float(width) == pytest.approx(16 * generator.width[0, index].item(), abs=1e-4)
        color = [*(int(rgb[at : at + 2], 16) / 255 for at in (0, 2, 4)), float(opacity)]
        assert color == pytest.approx(generator.color[0, index].tolist(), abs=0.003)


@pytest.mark.parametrize("export_size", [90, 600])
def test_strokes_are_exported_sharp_at_any_size(export_size: int, tmp_path: Path) -> None:
    """As if they had been optimized there, and not enlarged."""
    small = Strokes((3,), 32, num_strokes=20, export_size=export_size)
    large = Strokes((3,), export_size, num_strokes=20)
    small.export(tmp_path, 0)
    written = np.asarray(Image.open(tmp_path / "image.png"))
    wanted = (large().image[0, 0] * 255).permute(1, 2, 0).detach().numpy()
    assert np.abs(written - wanted).max() <= 1
    assert (tmp_path / "strokes.svg").read_text() == large.svg(0)
    assert small().image.shape[-1] == 32


@pytest.mark.parametrize("size", [50, 128])
def test_a_viewer_of_svg_files_shows_the_same(size: int) -> None:
    resvg_py = pytest.importorskip("resvg_py")
    generator = Strokes((0,), size, num_strokes=100, widths=(0.005, 0.1), ground="#e0d0ff")
    with torch.no_grad():
        generator.width.copy_(torch.linspace(0.005, 0.1, 100))
    shown = Image.open(BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=generator.svg(0)))))
    picture = generator().image[0, 0].permute(1, 2, 0).detach().numpy()
    difference = np.abs(np.asarray(shown.convert("RGB")) / 255 - picture)
    assert difference.mean() < 0.015 and np.quantile(difference, 0.99) < 0.15
