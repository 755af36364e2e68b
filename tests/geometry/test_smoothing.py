"""Smoothing: against the dense matrix, and its frequency response."""

from __future__ import annotations

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.octasphere import octasphere
from guidance.geometry.smoothing import TIMES, Smoothing
from guidance.geometry.topology import unique_edges

MESH = octasphere(4)
COUNT = len(MESH.vertices)


def smoothing(reach: float) -> Smoothing:
    return Smoothing(MESH.vertices, MESH.faces, reach)


def test_it_is_the_inverse_of_the_dense_matrix() -> None:
    start, stop = unique_edges(MESH.faces).unbind(1)
    laplacian = torch.zeros(COUNT, COUNT, dtype=torch.float64)
    laplacian[start, stop] = laplacian[stop, start] = -1
    laplacian -= torch.diag(laplacian.sum(1))
    mean = (MESH.vertices[start] - MESH.vertices[stop]).double().norm(dim=1).mean()
    matrix = torch.eye(COUNT).double() + 0.4**2 / (1.5 * mean**2) * laplacian
    values = torch.randn(2, COUNT, 3, generator=torch.Generator().manual_seed(0)).double()
    wanted = torch.linalg.matrix_power(matrix.inverse(), TIMES) @ values
    assert torch.allclose(smoothing(0.4)(values), wanted)


def test_shifts_stay_slow_waves_nearly_and_ripples_do_not() -> None:
    found = smoothing(0.4)
    shift = torch.ones(1, COUNT, 1)
    assert torch.allclose(found(shift), shift, atol=1e-5)
    slow = MESH.vertices[None]
    assert 0.4 < found(slow).norm() / slow.norm() < 0.8
    one = torch.zeros(1, COUNT, 1)
    one[0, 7] = 1
    assert found(one).norm() < 0.2


def test_no_reach_leaves_all_as_it_is() -> None:
    values = torch.randn(2, COUNT, 3)
    assert torch.allclose(smoothing(0.0)(values), values)


def test_reach_is_a_length_whatever_the_mesh() -> None:
    kept = []
    for segments in (6, 12, 24):
        mesh = octasphere(segments)
        places = mesh.vertices[None]
        found = Smoothing(mesh.vertices, mesh.faces, 0.3)(places)
        kept.append(float(found.norm() / places.norm()))
    assert max(kept) - min(kept) < 0.03


def test_gradient_and_samples_are_their_own() -> None:
    found = smoothing(0.3)
    values = torch.randn(2, COUNT, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(found, (values,), fast_mode=True)
    assert torch.equal(found(values)[1:], found(values[1:]))


def test_a_reach_below_0_is_refused() -> None:
    with pytest.raises(InputError, match="reach: expected a length of at least 0"):
        smoothing(-0.1)
