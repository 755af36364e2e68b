"""Linear maps of values on surfaces by sparse matrices: factorized once, solved many times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from guidance.geometry.nested_dissection import nested_dissection

Array = Any  # of numpy, or sparse of scipy
Map = Callable[[Array], Array]


class Factors:
    """The factors of a positive definite matrix, by SuperLU, in float64 on the CPU.

    Args:
        matrix: symmetric, `[p, p]`, an entry for each pair of neighbors.
        places: of the unknowns in space, `[p, 3]`, by which they are put in order.

    Raises:
        RuntimeError: the matrix is exactly singular.
    """

    def __init__(self, matrix: Array, places: Array) -> None:
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        self._order = nested_dissection(matrix, places)
        self._back = np.argsort(self._order)
        self._factors = splu(
            csc_array(matrix[self._order][:, self._order]),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def solve(self, right: Array) -> Array:
        """`[p, c]` to `[p, c]`: the matrix's inverse times the right side."""
        return self._factors.solve(right[self._order])[self._back]


def linear_map(values: Tensor, solve: Map, adjoint: Map) -> Tensor:
    """A linear function of each sample's values, with its gradient; differentiable once.

    Samples are taken one by one, in float64 on the CPU, so that none depends on another.

    Args:
        values: `[n, ...]`.
        solve: from an array without `n` to another.
        adjoint: its transpose, from gradients of the second to those of the first.
    """
    found: Tensor = _LinearMap.apply(values, solve, adjoint)  # type: ignore[no-untyped-call]
    return found


class _LinearMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, solve: Map, adjoint: Map) -> Tensor:
        ctx.adjoint = adjoint
        return _each_sample(solve, values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None, None]:
        return _each_sample(ctx.adjoint, slopes), None, None


def _each_sample(function: Map, tensor: Tensor) -> Tensor:
    samples = tensor.detach().cpu().double().numpy()
    # SuperLU wants right sides column by column, and gives them back so.
    found = np.stack([np.ascontiguousarray(function(sample)) for sample in samples])
    return torch.from_numpy(found).to(tensor)
