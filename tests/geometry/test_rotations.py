"""The nearest rotation: known properties, and its gradient against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.geometry.rotations import nearest_rotation

RANDOM = torch.Generator().manual_seed(0)
MATRICES = torch.randn(20, 3, 3, generator=RANDOM, dtype=torch.float64)


def rotation(angle: float) -> Tensor:
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(angle * turn)


def test_it_is_a_rotation_and_none_fits_better() -> None:
    found = nearest_rotation(MATRICES)
    assert torch.allclose(found @ found.mT, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert (torch.linalg.det(MATRICES) < 0).any()
    assert torch.allclose(torch.linalg.det(found), torch.ones(20, dtype=torch.float64))
    others, _ = torch.linalg.qr(torch.randn(500, 3, 3, generator=RANDOM, dtype=torch.float64))
    others = others * torch.linalg.det(others)[:, None, None]
    best = (found * MATRICES).sum((1, 2))
    assert (torch.einsum("kij,mij->km", others, MATRICES) <= best + 1e-12).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_rotation_stays_and_stretch_is_taken_off(scale: float) -> None:
    turned = rotation(0.7) @ torch.diag(torch.tensor([3.0, 2, 1], dtype=torch.float64)) * scale
    assert torch.allclose(nearest_rotation(turned[None])[0], rotation(0.7), atol=1e-12)


def test_the_gradient_is_right_also_where_singular_values_are_equal() -> None:
    equal = torch.stack([torch.eye(3, dtype=torch.float64), 2 * rotation(0.3)])
    flat = torch.diag(torch.tensor([6.0, 6, 0], dtype=torch.float64))[None] @ rotation(0.5)
    for given in (MATRICES[torch.linalg.det(MATRICES) > 0.1], equal, flat):
        assert torch.autograd.gradcheck(nearest_rotation, given.clone().requires_grad_())
