"""Preprocessing against the transform that open_clip itself applies to an image file."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from guidance.encoders.files.source import PREPROCESSING
from guidance.encoders.towers.preprocessing import Preprocessing
from guidance.errors import InputError
from guidance.models.torchvision import import_torchvision

#: Pillow rounds to 8 bits after each of its two passes: an error of up to 1 of 255, divided by
#: the standard deviation of about 0.27. (Pillow takes the columns first where that is cheaper, for
#: tall images that are squashed much: then single pixels at hard edges differ by 5 of 255.)
TOLERANCE = 1.6 / 255 / 0.26


def _picture(height: int, width: int) -> Image.Image:
    """Waves of many sizes and hard edges, as a photo has both."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    waves = [((3 + 17 * i) * x + (29 - 11 * i) * y + 40 * x * y).sin() for i in range(3)]
    pixels = 0.5 + 0.45 * torch.stack(waves, -1)
    pixels[(x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.05] = torch.tensor([1.0, 0.0, 0.2])
    return Image.fromarray((pixels * 255).round().byte().numpy())


@pytest.mark.parametrize("resize_mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", [(601, 803), (803, 601), (100, 75)])
def test_agrees_with_open_clips_transform(
    shape: tuple[int, int], interpolation: str, resize_mode: str
) -> None:
    import_torchvision()
    from open_clip.transform import image_transform

    stored = PREPROCESSING | {
        "size": 224,
        "interpolation": interpolation,
        "resize_mode": resize_mode,
        "fill_color": 128,
    }
    picture = _picture(*shape)
    stock = image_transform(
        224,
        is_train=False,
        mean=stored["mean"],
        std=stored["std"],
        resize_mode=resize_mode,
        interpolation=interpolation,
        fill_color=128,
    )
    ours = Preprocessing.parse(stored, "here")
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    pixels = pixels.view(*shape, 3).permute(2, 0, 1)[None].float() / 255
    scale, shift = ours.scale_and_shift()
    difference = (ours.fit(pixels)[0] * scale + shift - stock(picture)).abs()
    assert difference.max() < TOLERANCE
    assert difference.mean() < TOLERANCE / 4


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    preprocessing = Preprocessing.parse(PREPROCESSING | {"size": 16}, "here")
    pictures = torch.randn(2, 3, 16, 16)  # even outside of [0, 1]
    assert preprocessing.fit(pictures) is pictures


def test_resizing_is_differentiable() -> None:
    preprocessing = Preprocessing.parse(PREPROCESSING | {"size": 4}, "here")
    pictures = 0.25 + 0.5 * torch.rand(1, 3, 9, 7, dtype=torch.float64)
    torch.autograd.gradcheck(preprocessing.fit, pictures.requires_grad_())


def test_what_was_stored_beside_the_weights_must_agree() -> None:
    preprocessing = Preprocessing.parse(PREPROCESSING | {"size": 16}, "here")
    same = {"size": 16, "mean": list(PREPROCESSING["mean"]), "resize_mode": "shortest"}
    preprocessing.check_against(same, "guidance.json")
    for wrong in ({"size": 32}, {"mean": [0.5, 0.5, 0.5]}, {"interpolation": "bilinear"}):
        with pytest.raises(InputError, match="make the two files agree"):
            preprocessing.check_against(wrong, "guidance.json")
    with pytest.raises(InputError, match="unknown key 'crop'"):
        preprocessing.check_against({"crop": 3}, "guidance.json")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": (224, 336)}, "square images"),
        ({"interpolation": "nearest"}, "interpolation 'nearest' is unknown"),
        ({"resize_mode": "stretch"}, "resize_mode 'stretch' is unknown"),
        ({"mean": [0.5, 0.5]}, "expected one number or one for each of 3 channels"),
    ],
)
def test_preprocessing_that_we_do_not_know_is_an_error(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing.parse(PREPROCESSING | {"size": 16} | wrong, "here")
