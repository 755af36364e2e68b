"""Products of constant sparse matrices, and their gradients, against dense ones."""

from __future__ import annotations

import torch

from guidance.geometry.sparse import SparseMatrix


def test_products_and_gradients_are_those_of_the_dense_matrix() -> None:
    rows, columns = torch.tensor([0, 2, 2, 2]), torch.tensor([1, 0, 1, 1])  # one entry twice
    values = torch.tensor([2.0, -1.0, 3.0, 0.5])
    dense = torch.zeros(3, 2).index_put((rows, columns), values, accumulate=True)
    factor = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(3, 4, dtype=torch.float64)
    found, wanted = SparseMatrix(rows, columns, values, (3, 2)) @ factor, dense.double() @ factor
    torch.testing.assert_close(found, wanted)
    ours, theirs = (
        torch.autograd.grad((product * weights).sum(), factor)[0] for product in (found, wanted)
    )
    torch.testing.assert_close(ours, theirs)
