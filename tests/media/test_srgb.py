"""Conversion between sRGB and linear light: inverses of each other, and equal to kornia's."""

from __future__ import annotations

import pytest
import torch

from guidance.media.srgb import linear_to_srgb, srgb_to_linear


def test_the_conversions_are_inverses_with_finite_gradients() -> None:
    values = torch.linspace(0, 1, 101, dtype=torch.float64, requires_grad=True)
    there_and_back = linear_to_srgb(srgb_to_linear(values))
    torch.testing.assert_close(there_and_back, values, atol=1e-12, rtol=0)
    for conversion in (linear_to_srgb, srgb_to_linear):
        (gradient,) = torch.autograd.grad(conversion(values).sum(), values)
        assert gradient.isfinite().all() and (gradient > 0).all()
    assert float(srgb_to_linear(torch.tensor(0.5))) == pytest.approx(0.2140, abs=1e-4)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_conversions_equal_those_of_kornia(kind: torch.dtype) -> None:
    """Ours take any shape, such as one row per pixel; kornia's take images `[*, 3, h, w]`."""
    from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb

    image = torch.rand(2, 3, 64, 64, dtype=kind, generator=torch.Generator().manual_seed(0))
    image[0, :, 0] = torch.linspace(0, 0.06, 64, dtype=kind)  # around the linear part
    assert torch.equal(srgb_to_linear(image), rgb_to_linear_rgb(image))
    assert torch.equal(linear_to_srgb(image), linear_rgb_to_rgb(image))
