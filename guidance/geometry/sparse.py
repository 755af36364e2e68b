"""Constant sparse matrices, whose products are differentiable."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class SparseMatrix:
    """A constant matrix; entries with the same row and column add up.

    Products and their gradients are sums of rows (`F.embedding_bag`) of the matrix and of its
    transpose. They take a third of the time of gathering rows and adding them to others.
    """

    def __init__(
        self,
        rows: Int[Tensor, "m"],
        columns: Int[Tensor, "m"],
        values: Float[Tensor, "m"],
        shape: tuple[int, int],
    ) -> None:
        self._rows = _by_row(rows, columns, values, shape[0])
        self._columns = _by_row(columns, rows, values, shape[1])

    def __matmul__(self, dense: Float[Tensor, "a c"]) -> Float[Tensor, "b c"]:
        found: Tensor = _Product.apply(dense, self._rows, self._columns)  # type: ignore[no-untyped-call]
        return found


Entries = tuple[Tensor, Tensor, Tensor]


def _by_row(rows: Tensor, columns: Tensor, values: Tensor, count: int) -> Entries:
    """The columns and values of all entries by row, and where each row starts and ends."""
    order = rows.argsort(stable=True)
    ends = torch.bincount(rows, minlength=count).cumsum(0)
    return columns[order], values[order], torch.cat([ends.new_zeros(1), ends])


def _product(entries: Entries, dense: Tensor) -> Tensor:
    columns, values, ends = entries
    return F.embedding_bag(
        columns,
        dense,
        ends,
        mode="sum",
        per_sample_weights=values.to(dense.dtype),
        include_last_offset=True,
    )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, rows: Entries, columns: Entries) -> Tensor:
        ctx.columns = columns
        return _product(rows, dense)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _product(ctx.columns, grads[0]), None, None
