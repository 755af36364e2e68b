"""Networks that change a given image, and parts of images that must not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.masked import Masked
from guidance.generators.image.param.convolution import convolution
from guidance.generators.image.param.masks import blend
from guidance.generators.image.pyramid import Pyramid
from guidance.generators.image.unet import Original, UNet


def picture(height: int, width: int) -> Tensor:
    """Random 8-bit values."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), generator=random) / 255


def moved(generator: UNet) -> UNet:
    """Away from the start, where the last layer is 0."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    return generator


@pytest.mark.parametrize(("height", "width"), [(16, 16), (21, 37), (40, 9)])
def test_it_starts_as_the_picture_of_any_size(height: int, width: int) -> None:
    content = picture(height, width)
    shown = UNet((0, 1), content)().image
    assert shown.shape == (2, 1, 3, height, width)
    assert (shown - content).abs().max() < 0.0101
    assert (shown - content).abs().mean() < 1e-3


def test_options_change_something() -> None:
    def trace(**options: object) -> Tensor:
        generator = moved(UNet((3,), picture(16, 16), **{"widths": (4, 4, 4, 4), **options}))  # type: ignore[arg-type]
        optimizer = torch.optim.Adam(generator.param_groups())
        generator().image.sum().backward()
        optimizer.step()
        return generator().image.detach()

    assert not torch.equal(trace(), trace(widths=(4, 4, 4, 8)))
    assert not torch.equal(trace(), trace(learning_rate=0.1))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_have_the_gradient_of_their_definition(groups: int, stride: int) -> None:
    random = torch.Generator().manual_seed(0)
    shapes = (3, 4 * groups, 10, 14), (6 * groups, 4, 3, 3), (6 * groups,)
    inputs = [torch.randn(shape, generator=random).requires_grad_() for shape in shapes]

    def definition(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv2d(padded, weight, bias, stride, groups=groups)

    wanted = definition(*inputs)
    grad = torch.randn(wanted.shape, generator=random)
    exact = torch.autograd.grad(wanted, inputs, grad)
    for dtype, least in ((torch.float32, 1 - 1e-6), (torch.bfloat16, 0.9999)):
        made = convolution(*inputs, (stride, groups), dtype)
        assert torch.allclose(made, wanted, atol=1e-5)
        for one, other in zip(torch.autograd.grad(made, inputs, grad), exact, strict=True):
            assert one.dtype == torch.float32
            assert torch.cosine_similarity(one.flatten(), other.flatten(), 0) >= least
            assert (one.norm() / other.norm() - 1).abs() < 0.01


@pytest.mark.parametrize("samples", [1, 2])
def test_gradients_in_bfloat16_follow_the_same_direction(samples: int) -> None:
    content, random = picture(32, 40), torch.Generator().manual_seed(0)
    target = torch.rand(samples, 1, 3, 32, 40, generator=random)
    generators = [
        UNet(tuple(range(samples)), content, precision=precision) for precision in ("fp32", "bf16")
    ]
    images = [moved(generator)().image for generator in generators]
    assert torch.equal(*images)
    for image in images:
        (image - target).square().sum().backward()
    for one, other in zip(*(generator.parameters() for generator in generators), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.cosine_similarity(one.grad.flatten(), other.grad.flatten(), 0) >= 0.999


@pytest.mark.parametrize(("height", "width"), [(70, 150), (129, 64)])
def test_tiles_are_the_whole(height: int, width: int) -> None:
    """Nothing beyond the reach of a tile counts, and no seam is left."""
    large = picture(height, width)
    generator = moved(UNet((0, 1), picture(16, 16)))
    whole = moved(UNet((0, 1), large))().image[1, 0]
    assert torch.allclose(generator.restyle(large, 1, tile=32), whole, atol=5e-4)
    assert torch.allclose(generator.restyle(large, 1), whole, atol=5e-4)


def test_the_original_is_exported_and_its_mask_kept(tmp_path: Path) -> None:
    large, mask = picture(30, 50), torch.zeros(1, 30, 50)
    mask[:, :, 25:] = 1
    generator = moved(UNet((0,), picture(16, 16), original=Original(large, mask)))
    files = generator.export(tmp_path, 0)
    assert [file.name for file in files] == ["image.png", "full.png"]
    full = torch.from_numpy(np.asarray(Image.open(tmp_path / "full.png")).copy()).permute(2, 0, 1)
    given = (large * 255).round().to(torch.uint8)
    assert torch.equal(full[..., :25], given[..., :25])
    assert not torch.equal(full[..., 25:], given[..., 25:])


def test_outside_a_mask_nothing_changes_to_the_bit(tmp_path: Path) -> None:
    content, mask = picture(16, 24), torch.zeros(1, 16, 24)
    mask[:, 4:12, 4:12] = 1
    generator = Masked(moved(UNet((0,), content)), content, mask)
    shown = generator().image[0, 0]
    outside = (mask == 0).expand(3, -1, -1)
    assert torch.equal(shown[outside], content[outside])
    assert not torch.equal(shown[~outside], content[~outside])
    assert [path.name for path in generator.export(tmp_path, 0)] == ["image.png"]
    written = torch.from_numpy(np.asarray(Image.open(tmp_path / "image.png")).copy())
    assert torch.equal(written.permute(2, 0, 1)[outside], (content * 255).to(torch.uint8)[outside])


def test_a_grey_mask_mixes() -> None:
    new, old = torch.full((3, 1, 3), 0.8), torch.full((3, 1, 3), 0.4)
    mixed = blend(new, old, torch.tensor([[[0.0, 0.5, 1.0]]]))
    assert torch.allclose(mixed[0, 0], torch.tensor([0.4, 0.6, 0.8]))


def test_through_a_transparent_generator_the_picture_shows() -> None:
    content = picture(16, 16)
    generator = Masked(Cutout((0,), 16, finest=16, margin=0.5), content, torch.ones(1, 16, 16))
    rendering = generator()
    assert rendering.alpha is None
    assert (rendering.image[0, 0, :, 0, 0] - content[:, 0, 0]).abs().max() < 0.02


def test_impossible_masks_are_refused() -> None:
    content = picture(16, 16)
    with pytest.raises(InputError, match="mask: is black everywhere"):
        Masked(Pyramid.tiny(), content, torch.zeros(1, 16, 16))
    with pytest.raises(InputError, match="mask: expected the image's 16 x 16 pixels, got 8 x 16"):
        Masked(Pyramid.tiny(), content, torch.ones(1, 8, 16))
