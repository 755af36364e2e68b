"""Image operations of ours that kornia also has give the same values and gradients.

Ours remain where they are faster (one homography per crop for crop, rotation and perspective; one
matrix per crop for colours) or where kornia would only add its import to the start of every run.
"""

from __future__ import annotations

import math

import kornia
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.augment.color import LUMA, jitter_matrices, recolor
from guidance.augment.warp import shrink, square_to_quad, warp
from guidance.evaluate.perturbations import blur
from guidance.generators.image.param.warping import warped
from guidance.losses.total_variation import TotalVariation
from guidance.media.resize import resized
from guidance.outputs import Rendering
from guidance.types import StepContext
from guidance.views import Warp

UNIT = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]).double()


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def smooth_image(size: int = 32) -> Tensor:
    line = torch.arange(size, dtype=torch.float64) * 2 * math.pi / size
    return 0.5 + 0.25 * torch.stack([line.sin() + line[:, None].cos()] * 3)[None]


def corners() -> Tensor:
    """Corners of two crops with rotation and perspective, inside the image."""
    return 0.7 * UNIT + 0.2 * (noise(2, 4, 2) - 0.5)


def pixels_of(size: int) -> Tensor:
    """The matrix from pixel indices to [-1, 1]."""
    scale, shift = 2 / size, 1 / size - 1
    return torch.tensor([[scale, 0, shift], [0, scale, shift], [0, 0, 1]]).double()


def test_homographies_are_those_of_perspective_transforms() -> None:
    ours = square_to_quad(corners())
    theirs = kornia.geometry.get_perspective_transform(UNIT.expand(2, 4, 2), corners())
    assert torch.allclose(ours / ours[:, 2:, 2:], theirs, atol=1e-10)


def test_crops_are_those_of_warp_perspective() -> None:
    """Values, and gradients with respect to the image."""
    size = 16
    homographies = square_to_quad(corners())
    image = noise(1, 3, 24, 24).requires_grad_()
    ours = warp(image, homographies[None], size, "zeros").flatten(0, 1)
    # From pixels of the image to pixels of the crop.
    forward = torch.linalg.inv(torch.linalg.inv(pixels_of(24)) @ homographies @ pixels_of(size))
    theirs = kornia.geometry.warp_perspective(
        image.expand(2, -1, -1, -1), forward, (size, size), align_corners=True
    )
    assert torch.allclose(ours, theirs, atol=1e-5)
    weights = noise(2, 3, size, size)
    gradients = [torch.autograd.grad((out * weights).sum(), image)[0] for out in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-5)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_color_jitter_is_that_of_kornia(name: str) -> None:
    """Ours does not clamp to [0, 1], which would cut gradients."""
    index = ["brightness", "contrast", "saturation", "hue"].index(name)
    strengths, draws = [0.0, 0.0, 0.0, 0.0], torch.full((4, 4), 0.5).double()
    strengths[index] = 40.0 if name == "hue" else 0.4
    draws[:, index] = torch.tensor([0.0, 0.3, 0.7, 0.9])
    image = noise(4, 3, 8, 8).requires_grad_()
    ours = recolor(image, jitter_matrices(draws, tuple(strengths)), None)  # type: ignore[arg-type]
    change = (2 * draws[:, index] - 1) * strengths[index]
    factor = (1 + change)[:, None, None, None]
    if name == "brightness":
        theirs = image * factor  # what adjust_brightness_accumulative does before it clamps
        clamped = kornia.enhance.adjust_brightness_accumulative(image, 1 + change)
        assert torch.allclose(ours.clamp(0, 1), clamped)
    elif name == "contrast":
        theirs = kornia.enhance.add_weighted(
            image, factor, torch.full_like(image, 0.5), 1 - factor, 0.0
        )
    elif name == "saturation":
        grey = kornia.color.rgb_to_grayscale(image, torch.tensor(LUMA).double())
        theirs = kornia.enhance.add_weighted(image, factor, grey.expand_as(image), 1 - factor, 0.0)
    else:
        axis = (change * math.pi / 180)[:, None] * torch.full((4, 3), 3**-0.5).double()
        turn = kornia.geometry.axis_angle_to_rotation_matrix(axis)
        theirs = torch.einsum("brc,bchw->brhw", turn, image)
    assert torch.allclose(ours, theirs, atol=1e-6)
    weights = noise(4, 3, 8, 8)
    gradients = [torch.autograd.grad((out * weights).sum(), image)[0] for out in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_the_blur_is_a_gaussian() -> None:
    """`guide eval` uses kornia's; this is the same with a kernel written out."""
    image = noise(1, 3, 20, 20)
    line = torch.exp(-0.5 * torch.arange(-3, 4).double() ** 2)
    kernel = line[:, None] * line / line.sum() ** 2
    padded = F.pad(image, (3, 3, 3, 3), mode="replicate")
    by_hand = F.conv2d(padded, kernel.expand(3, 1, 7, 7), groups=3)
    assert torch.allclose(blur(image), by_hand, atol=1e-6)


def test_total_variation_is_that_of_kornia() -> None:
    images = noise(2, 1, 3, 8, 9).requires_grad_()
    ours = TotalVariation()(Rendering(images), StepContext((0, 1)))
    theirs = kornia.losses.total_variation(images[:, 0], reduction="mean").mean(-1)
    assert torch.allclose(ours, theirs)
    gradients = [torch.autograd.grad(value.sum(), images)[0] for value in (ours, theirs)]
    assert torch.allclose(*gradients)


@pytest.mark.parametrize("size", [(16, 16), (48, 40)])
def test_resizing_is_close_to_that_of_kornia(size: tuple[int, int]) -> None:
    """PyTorch's antialiased cubic kernel against a blur followed by another cubic kernel."""
    image = smooth_image()
    theirs = kornia.geometry.resize(image, size, "bicubic", align_corners=False, antialias=True)
    assert (resized(image, size) - theirs).abs().max() < 0.02


def test_shrinking_before_crops_is_area_resampling() -> None:
    image = noise(1, 3, 24, 24)
    theirs = kornia.geometry.resize(image, (8, 8), "area")
    assert torch.allclose(shrink(image, 8, 1.0), theirs)


def test_moves_of_animations_are_close_to_warp_affine() -> None:
    """Ours uses splines of degree 5 instead of cubic convolution, so that 100 moves do not blur."""
    image = smooth_image(64)
    move = Warp.of(1, 1.1, (0.05, -0.02), 10.0)
    to_unit = pixels_of(64)
    matrix = torch.eye(3).double()
    matrix[:2] = move.matrix[0]
    forward = torch.linalg.inv(to_unit) @ matrix @ to_unit
    theirs = kornia.geometry.warp_affine(
        image, forward[None, :2], (64, 64), mode="bicubic", align_corners=True
    )
    inside = (..., slice(8, -8), slice(8, -8))
    assert (warped(image, move) - theirs)[inside].abs().max() < 3e-3
