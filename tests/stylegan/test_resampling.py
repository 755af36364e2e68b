"""Zero insertion, filtering and decimation against loops, by value and gradient."""

from __future__ import annotations

import pytest
import torch

from guidance.stylegan.networks.resampling import upfirdn
from tests.stylegan import slow

#: up, down, padding, taps.
CASES = [
    (1, 1, (1, 1), 3), (2, 1, (2, 1), 4), (1, 2, (1, 1), 4), (2, 2, (3, 4), 6), (4, 1, (7, 6), 12),
    (1, 4, (5, 4), 8), (2, 1, (-1, 2), 4), (3, 2, (4, 0), 5), (1, 1, (0, 0), 1), (4, 2, (9, 8), 12),
]  # fmt: skip


@pytest.mark.parametrize("is_separable", [True, False])
@pytest.mark.parametrize(("up", "down", "padding", "taps"), CASES)
def test_values_and_gradients_are_those_of_loops(
    up: int, down: int, padding: tuple[int, int], taps: int, is_separable: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(taps, taps, dtype=torch.float64)
    if is_separable:
        kernel = kernel[0]
    found = upfirdn(x, kernel, up=up, down=down, padding=padding, gain=2.5)
    for definition in (slow.upfirdn, slow.fast_upfirdn):
        expected = definition(x, kernel, up, down, padding, gain=2.5)
        torch.testing.assert_close(found, expected)
        weight = torch.randn_like(expected)
        (gradient,) = torch.autograd.grad((found * weight).sum(), x, retain_graph=True)
        (slow_gradient,) = torch.autograd.grad((expected * weight).sum(), x)
        torch.testing.assert_close(gradient, slow_gradient)
