"""Sparse linear systems on surfaces: factorized once, solved many times, differentiable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from guidance.geometry.nested_dissection import nested_dissection

Array = Any  # a numpy array, or a sparse array of scipy
Map = Callable[[Array], Array]


class Factorization:
    """The factorization of a positive definite matrix by SuperLU, in float64 on the CPU.

    Args:
        matrix: symmetric, `[p, p]`, with an entry for each pair of neighbors.
        positions: of the unknowns in space, `[p, 3]`, which determine the elimination order.

    Raises:
        RuntimeError: the matrix is exactly singular.
    """

    def __init__(self, matrix: Array, positions: Array) -> None:
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        self._order = nested_dissection(matrix, positions)
        self._inverse_order = np.argsort(self._order)
        self._factors = splu(
            csc_array(matrix[self._order][:, self._order]),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def solve(self, right: Array) -> Array:
        """The inverse of the matrix times the right-hand side, `[p, c]` to `[p, c]`."""
        return self._factors.solve(right[self._order])[self._inverse_order]


def linear_map(values: Tensor, solve: Map, adjoint: Map) -> Tensor:
    """A linear function applied to each sample; differentiable once.

    Samples are processed one by one, in float64 on the CPU, so no sample depends on another.

    Args:
        values: `[n, ...]`.
        solve: maps the array of one sample, without `n`, to another array.
        adjoint: the transpose of `solve`, from gradients of its result to those of its argument.
    """
    result: Tensor = _LinearMap.apply(values, solve, adjoint)  # type: ignore[no-untyped-call]
    return result


class _LinearMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, solve: Map, adjoint: Map) -> Tensor:
        ctx.adjoint = adjoint
        return _each_sample(solve, values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        return _each_sample(ctx.adjoint, grad_output), None, None


def _each_sample(function: Map, tensor: Tensor) -> Tensor:
    samples = tensor.detach().cpu().double().numpy()
    # SuperLU returns arrays in column-major order.
    results = np.stack([np.ascontiguousarray(function(sample)) for sample in samples])
    return torch.from_numpy(results).to(tensor)
