"""Windows of flat images show what the whole has there; large files are made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidance.errors import InputError
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.fourier import Fourier
from guidance.generators.image.grid import Grid
from guidance.generators.image.masked import Masked
from guidance.generators.image.param import windows as looks
from guidance.generators.image.param.levels import _bicubic_lines, _bicubic_weights
from guidance.generators.image.param.windows import (
    in_blocks,
    rows_and_columns,
    whole,
    whole_and_parts,
)
from guidance.generators.image.pixels import Pixels
from guidance.generators.image.pyramid import Pyramid
from guidance.generators.image.siren import Siren
from guidance.generators.image.strokes import Strokes
from guidance.generators.image.unet import UNet
from guidance.generators.image.wavelet import Wavelet
from guidance.loop.wrapped import Wrapped
from guidance.outputs import Rendering
from guidance.rendering.cameras.orbit import Orbit
from guidance.types import Generator, StepContext
from guidance.views import Windows
from tests.generators.details import with_details

#: Each shows any place; the grid's cells do not divide its windows.
MAKE: dict[str, Callable[[int], Generator]] = {
    "pyramid": lambda size: Pyramid((0, 1), size, finest=16),
    "pyramid of more cells than pixels": lambda size: Pyramid((0, 1), size, finest=128),
    "pyramid in other axes": lambda size: Pyramid((0, 1), size, finest=16, decorrelate=True),
    "cutout": lambda size: Cutout((0, 1), size, finest=16),
    "siren": lambda size: Siren((0, 1), size, width=16),
    "grid": lambda size: Grid((0, 1), size, cells=8),
    "tileable grid": lambda size: Grid((0, 1), size, cells=4, palette=3, tileable=True),
    "strokes": lambda size: Strokes((0, 1), size, num_strokes=20),
}
ALL = pytest.mark.parametrize("name", MAKE)


def made(name: str, size: int) -> Generator:
    return with_details(MAKE[name](size), name)


def places(size: int, side: int, corners: list[list[tuple[int, int]]]) -> Windows:
    """Windows of `side` pixels at corners (left, top), `[n][v]`, of images of `size` pixels."""
    at = torch.tensor(corners, dtype=torch.float64) / size
    return Windows(at[..., 0], at[..., 1], torch.full_like(at[..., 0], side / size), side)


@ALL
def test_a_window_shows_the_pixels_of_the_whole(name: str) -> None:
    generator = made(name, 48)
    corners = [[(0, 0), (31, 5), (7, 32)], [(32, 32), (1, 2), (16, 0)]]
    seen, all_of_it = generator(places(48, 16, corners)), generator()
    assert seen.image.shape == (2, 3, 3, 16, 16)
    for sample, row in enumerate(corners):
        for view, (left, top) in enumerate(row):
            box = (..., slice(top, top + 16), slice(left, left + 16))
            expected = all_of_it.image[sample, 0][box]
            assert torch.allclose(seen.image[sample, view], expected, atol=2e-5)
            if all_of_it.alpha is not None:
                assert seen.alpha is not None
                assert torch.allclose(
                    seen.alpha[sample, view], all_of_it.alpha[sample, 0][box], atol=2e-5
                )
    assert all_of_it.image.std() > 0.01, "a plain image would look the same everywhere"


@ALL
def test_the_whole_is_a_window_too(name: str) -> None:
    generator = made(name, 32)
    seen = generator(whole(2, 32))
    assert torch.allclose(seen.image, generator().image, atol=2e-5)
    assert seen.windows is not None and seen.whole().image.shape == seen.image.shape


@ALL
def test_gradient_through_a_window_is_that_of_its_pixels(name: str) -> None:
    through, cut = made(name, 32), made(name, 32)
    weights = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    (through(places(32, 16, [[(8, 12)], [(8, 12)]])).image * weights).sum().backward()
    (cut().image[..., 12:28, 8:24] * weights).sum().backward()
    for mine, theirs in zip(through.parameters(), cut.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("cells", [1, 2, 8, 32])
def test_bicubic_weights_are_those_of_torch(cells: int) -> None:
    rows, _ = rows_and_columns(whole(1, 24))
    assert torch.allclose(
        _bicubic_weights(rows[0, 0], cells).float(),
        _bicubic_lines(cells, 24, torch.device("cpu")),
        atol=1e-6,
    )


@pytest.mark.parametrize("name", ["pyramid", "cutout", "siren", "grid", "tileable grid", "strokes"])
def test_a_file_in_blocks_shows_the_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = made(name, 40)
    folder = tmp_path / "whole"
    folder.mkdir()
    expected = {path.name: path for path in generator.export(folder, 1)}
    monkeypatch.setattr("guidance.generators.image.param.windows.BLOCK", 16)
    files = generator.export(tmp_path, 1)
    assert [file.name for file in files] == list(expected)
    for file in files:
        if file.suffix == ".png":
            mine, other = (
                np.asarray(Image.open(path)).astype(int) for path in (file, expected[file.name])
            )
            assert mine.shape == other.shape and np.abs(mine - other).max() <= 1


def test_blocks_cover_a_picture_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "BLOCK", 16)
    shown: list[tuple[int, int]] = []

    def show(block: Windows) -> torch.Tensor:
        shown.append(block.shape)
        rows, columns = rows_and_columns(block)
        return torch.stack([rows[0, 0][:, None].expand(16, 16), columns[0, 0].expand(16, 16)])

    levels = in_blocks(37, 2, show)
    line = np.round((np.arange(37) + 0.5) / 37 * 255)
    assert np.abs(levels[..., 0] - line[:, None]).max() <= 1
    assert np.abs(levels[..., 1] - line[None]).max() <= 1
    assert shown == [(16, 16)] * 9


def test_random_windows_lie_on_pixels_inside_and_follow_the_seed() -> None:
    first, again, other = (
        whole_and_parts(StepContext(seeds, step=4), 3, 0.25, 64, 1000)
        for seeds in ((5, 6), (5, 9), (6, 7))
    )
    assert first.side.tolist() == [[1.0, 0.25, 0.25, 0.25]] * 2 and first.pixels == 64
    for start in (first.left, first.top):
        assert (start[:, 0] == 0).all() and (start >= 0).all() and (start <= 0.75).all()
        assert torch.allclose(start * 1000, (start * 1000).round(), atol=1e-9)
        assert len(set(start[:, 1:].flatten().tolist())) > 3
    assert torch.equal(first.left[0], again.left[0]) and torch.equal(first.left[1], other.left[0])
    assert not torch.equal(first.left[1], again.left[1])


def test_a_window_without_a_stroke_is_ground() -> None:
    generator = Strokes((0,), 32, num_strokes=1, ground="red")
    with torch.no_grad():
        generator.points.fill_(0.9)
    seen = generator(places(32, 8, [[(0, 0)]])).image
    assert torch.equal(seen, torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1).expand_as(seen))


@pytest.mark.parametrize("kind", [Pixels, Fourier, Wavelet, UNet, Masked])
def test_a_picture_in_one_piece_refuses_windows(kind: type[Generator]) -> None:
    with pytest.raises(InputError, match=f"{kind.__name__}: computes its image as a whole"):
        kind.tiny(2)(whole(2, 8))


def test_a_plain_module_refuses_windows() -> None:
    with pytest.raises(InputError, match="Identity: a plain module takes no windows; remove"):
        Wrapped(torch.nn.Identity())(whole(1, 8))


@pytest.mark.parametrize("kind", [Pyramid, Cutout, Siren, Grid, Strokes, Pixels])
def test_a_flat_picture_refuses_cameras(kind: type[Generator]) -> None:
    cameras = Orbit(num_views=2)(StepContext((0, 1)))
    with pytest.raises(InputError, match=f"{kind.__name__}: a flat image takes no cameras"):
        kind.tiny(2)(cameras)


def test_whole_leaves_the_parts_out() -> None:
    image = torch.rand(1, 3, 3, 4, 4)
    windows = places(8, 4, [[(0, 0), (1, 1), (2, 2)]])
    windows.side[:, 1] = 1
    rendering = Rendering(image, image[:, :, :1], windows=windows).whole()
    assert torch.equal(rendering.image, image[:, 1:2])
    assert rendering.alpha is not None and torch.equal(rendering.alpha, image[:, 1:2, :1])
    assert Rendering(image).whole().image is image
    with pytest.raises(InputError, match="was given windows only; give one view the side 1"):
        Rendering(image[:, :1], windows=places(8, 4, [[(0, 0)]])).whole()
