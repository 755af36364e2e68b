"""Portrait and landscape images of every generator: sizes, gradients, windows, motion and files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance.diffusion import load_denoiser
from guidance.errors import InputError
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.fourier import Fourier
from guidance.generators.image.grid import Grid
from guidance.generators.image.latent import Latent
from guidance.generators.image.noise import Noise
from guidance.generators.image.param import windows as looks
from guidance.generators.image.param.sizes import Size, cells_of, of_area, scaled
from guidance.generators.image.param.windows import whole, whole_and_parts
from guidance.generators.image.pixels import Pixels
from guidance.generators.image.pyramid import Pyramid
from guidance.generators.image.siren import Siren
from guidance.generators.image.strokes import Strokes
from guidance.generators.image.unet import UNet
from guidance.generators.image.wavelet import Wavelet
from guidance.types import Generator, StepContext
from guidance.views import Warp, Windows
from tests.generators.details import with_details

MOMENT = StepContext((0, 1), 7, 0.5)


def unet(size: Size) -> UNet:
    assert isinstance(size, tuple)
    return UNet((0, 1), torch.rand(3, *size), widths=(4, 4, 4, 4))


MAKE: dict[str, Callable[[Size], Generator]] = {
    "pixels": lambda size: Pixels((0, 1), size),
    "fourier": lambda size: Fourier((0, 1), size),
    "wavelet": lambda size: Wavelet((0, 1), size, start_sd=0.3),
    "pyramid": lambda size: Pyramid((0, 1), size, finest=16),
    "cutout": lambda size: Cutout((0, 1), size, finest=16),
    "siren": lambda size: Siren((0, 1), size, width=16, omega=4.0),
    "grid": lambda size: Grid((0, 1), size, cells=4),
    "tileable grid": lambda size: Grid((0, 1), size, cells=4, palette=3, tileable=True),
    "strokes": lambda size: Strokes((0, 1), size, num_strokes=20),
    "latent": lambda size: Latent((0, 1), size, denoiser=load_denoiser("mini-diffusion")),
    "noise": lambda size: Noise(
        (0, 1), ["a heart"] * 2, size, denoiser=load_denoiser("mini-diffusion")
    ),
    "unet": unet,
}
WINDOWED = ("pyramid", "cutout", "siren", "grid", "tileable grid", "strokes")
MOVED = ("pixels", "fourier", "wavelet", "pyramid", "siren")
SIZES = {"portrait": (48, 32), "landscape": (32, 64)}
EACH_SIZE = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


def made(name: str, size: Size) -> Generator:
    return with_details(MAKE[name](size), name)


@EACH_SIZE
@pytest.mark.parametrize("name", MAKE)
def test_every_generator_has_both_sides(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    """The image, the gradient of each parameter, and the file."""
    generator = MAKE[name](size)
    image = generator().over()
    assert image.shape == (2, 1, 3, *size)
    (image * torch.rand(image.shape)).sum().backward()
    for parameter in generator.parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())
    file = generator.export(tmp_path, 1)[0]
    assert file.name == "image.png"
    if name == "tileable grid":  # its file is one tile
        return
    read = np.asarray(Image.open(file)).astype(float) / 255
    assert np.abs(read - image[1, 0].detach().permute(1, 2, 0).numpy()).max() < 0.01


@EACH_SIZE
@pytest.mark.parametrize("name", WINDOWED)
def test_windows_and_blocks_show_the_whole(
    name: str, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = made(name, size)
    height, width = size
    image = generator().image.detach()
    assert torch.allclose(generator(whole(2, size)).image, image, atol=2e-5)
    at = torch.tensor([[8.0], [4.0]], dtype=torch.float64)
    seen = generator(
        Windows(at / width, at / height, at * 0 + 16 / width, 16, at * 0 + 16 / height)
    )
    for sample, start in enumerate((8, 4)):
        place = (..., slice(start, start + 16), slice(start, start + 16))
        assert torch.allclose(seen.image[sample, 0], image[sample, 0][place], atol=2e-5)
    folder = tmp_path / "whole"
    folder.mkdir()
    expected = np.asarray(Image.open(generator.export(folder, 0)[0])).astype(int)
    monkeypatch.setattr(looks, "BLOCK", 20)
    levels = np.asarray(Image.open(generator.export(tmp_path, 0)[0])).astype(int)
    assert levels.shape == (height, width, 3) and np.abs(levels - expected).max() <= 1


def disc(size: tuple[int, int], center: tuple[float, float], radius: float) -> Tensor:
    """A soft disc, 1 inside, at a place in pixels."""
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size), indexing="ij")
    return torch.sigmoid(radius - torch.hypot(y - center[0], x - center[1]))


@EACH_SIZE
@pytest.mark.parametrize("name", MOVED)
def test_a_rotation_keeps_shapes(name: str, size: tuple[int, int]) -> None:
    """A round thing stays round and goes where a rotation in pixels takes it."""
    generator = MAKE[name](size)
    height, width = size
    before = disc(size, (height / 2, width / 2 + 9), 5)
    after = disc(size, (height / 2 - 9, width / 2), 5)
    fit(generator, before)
    with torch.no_grad():
        found = generator().image[0, 0].mean(0)
        generator.warp(Warp.of(2, rotate_deg=90.0), MOMENT)
        now = generator().image[0, 0].mean(0)
    inner = (slice(height // 2 - 15, height // 2 + 15), slice(width // 2 - 15, width // 2 + 15))
    error = (now - after)[inner].abs().mean() - (found - before)[inner].abs().mean()
    assert error < 0.03
    assert (now - after)[inner].abs().mean() < 0.5 * (found - after)[inner].abs().mean()


def fit(generator: Generator, target: Tensor) -> None:
    groups = [{**group, "lr": 2 * group["lr"]} for group in generator.param_groups()]
    optimizer = torch.optim.Adam(groups)
    for _ in range(60):
        optimizer.zero_grad()
        (generator().image - target).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            generator.project()


@EACH_SIZE
def test_a_cutout_starts_as_a_round_disc(size: tuple[int, int]) -> None:
    disc = Cutout((0,), size, finest=16)._disc(64)
    assert disc.shape == cells_of(size, 64)
    solid = disc > 0
    rows, columns = int(solid.any(1).sum()), int(solid.any(0).sum())
    assert abs(rows - columns) <= 1 and rows > 16


@EACH_SIZE
def test_strokes_turn_around_the_middle(size: tuple[int, int]) -> None:
    generator = Strokes((0,), size, num_strokes=1)
    middle = torch.tensor([size[1], size[0]]) / math.sqrt(size[0] * size[1]) / 2
    away = torch.tensor([[0.1, 0.0], [0.2, 0.1], [0.0, 0.3], [0.2, 0.2]])
    with torch.no_grad():
        generator.points.copy_(middle + away)
        generator.warp(Warp.of(1, pan=(0.1, 0.0), rotate_deg=90.0), MOMENT)
    turned = torch.stack([away[:, 1], -away[:, 0]], -1) + torch.tensor([0.2 * middle[0], 0.0])
    assert torch.allclose(generator.points[0, 0], middle + turned, atol=1e-5)


def test_cells_are_square() -> None:
    assert Grid((0,), (96, 64), cells=32).tiles().shape == (1, 3, 48, 32)
    assert Grid((0,), (64, 96), cells=16).tiles().shape == (1, 3, 16, 24)
    with pytest.raises(
        InputError, match=r"size: .*48 x 32 square cells, got 97 x 64; use e.g. 96x64"
    ):
        Grid((0,), (64, 97), cells=32)
    levels = Pyramid((0,), (512, 768), finest=32).color.levels
    assert [tuple(level.shape[2:]) for level in levels][-2:] == [(11, 16), (22, 32)]


def test_sizes_keep_their_aspect_ratio() -> None:
    assert scaled((512, 768), 1536) == (1024, 1536) and scaled(64, 128) == 128
    assert of_area((100, 400), 256) == (128, 512) and of_area(640, 256) == 256
    assert cells_of((100, 400), 32) == (8, 32) and cells_of(7, 4) == (4, 4)


def test_random_windows_have_the_shape_of_the_image() -> None:
    found = whole_and_parts(MOMENT, 3, 0.75, (20, 60), (1000, 3000))
    assert found.shape == (20, 60)
    assert torch.allclose(found.left * 3000, (found.left * 3000).round(), atol=1e-9)
    assert torch.allclose(found.top * 1000, (found.top * 1000).round(), atol=1e-9)
    assert (found.left <= 0.25).all() and (found.top <= 0.25).all()


def test_strokes_are_round_in_the_file(tmp_path: Path) -> None:
    generator = Strokes((0,), (32, 64), num_strokes=3, export_size=(320, 640))
    image, drawing = generator.export(tmp_path, 0)
    assert Image.open(image).size == (640, 320)
    assert 'width="640" height="320" viewBox="0 0 640 320"' in drawing.read_text()
