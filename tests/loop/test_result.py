"""What a run returns: images, files, and its picture in a notebook."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.loop.optimize import optimize
from guidance.loop.result import NOTEBOOK, Result
from guidance.outputs import Rendering
from guidance.types import Generator
from tests.loop.test_outputs import Near, Speaker
from tests.stand_ins import Canvas, Target


def result_of(images: Tensor, generator: Generator | None = None) -> Result:
    return Result(generator or Canvas(len(images)), Rendering(images), torch.zeros(len(images)), [])


def four() -> Tensor:
    """Two samples of two views, each of one grey."""
    greys = torch.tensor([[0.0, 0.2], [0.6, 1.0]])
    return greys[..., None, None, None].expand(2, 2, 3, 4, 6)


def test_a_png_has_a_row_for_each_sample(tmp_path: Path) -> None:
    (file,) = result_of(four()).save(tmp_path / "new" / "images.png")
    grid = np.asarray(Image.open(file))
    assert grid.shape == (8, 12, 3)
    assert grid[::4, ::6, 0].tolist() == [[0, 51], [153, 255]]


def test_transparent_images_lie_on_white() -> None:
    clear = Result(
        Canvas(1),
        Rendering(torch.zeros(1, 1, 3, 4, 4), torch.zeros(1, 1, 1, 4, 4)),
        torch.zeros(1),
        [],
    )
    assert bool((clear.images == 1).all())


@pytest.mark.parametrize("n", [1, 2])
def test_a_folder_holds_what_the_generator_exports(n: int, tmp_path: Path) -> None:
    files = result_of(four()[:n]).save(str(tmp_path / "run"))
    folders = [tmp_path / "run"] if n == 1 else [tmp_path / "run" / "000", tmp_path / "run" / "001"]
    assert files == [folder / "image.txt" for folder in folders]
    assert all(file.is_file() for file in files)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jpg: expected a \.png file or a folder"):
        result_of(four()).save(tmp_path / "a.jpg")


@pytest.mark.parametrize("views", [1, 2])
def test_plain_modules_export_their_images(views: int, tmp_path: Path) -> None:
    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = nn.Parameter(torch.full((views, 3, 4, 4), 0.5))

        def forward(self) -> Tensor:
            return self.image

    files = optimize(Mine(), Target([0.5]), steps=1).save(tmp_path / "run")
    names = ["image.png"] if views == 1 else ["image_0.png", "image_1.png"]
    assert [file.name for file in files] == names


def test_a_notebook_shows_the_images() -> None:
    shown = Image.open(BytesIO(result_of(four())._repr_png_() or b""))
    assert shown.size == (12, 8)
    large = result_of(torch.rand(1, 2, 3, 8, NOTEBOOK))
    assert Image.open(BytesIO(large._repr_png_() or b"")).size == (NOTEBOOK, 4)


def test_a_notebook_shows_a_result_without_images_as_text() -> None:
    assert optimize(Speaker(), Near(), steps=1)._repr_png_() is None
