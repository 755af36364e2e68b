"""Smoothing of vertex displacements by a Laplacian, as a preconditioner for gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.factorization import Factorization, linear_map
from guidance.geometry.topology import unique_edges

#: How often the matrix is applied: once leaves a spike where a single vertex is pulled.
TIMES = 2


class Smoothing:
    """Applies (I + lambda L)^-2 to values at the vertices of a mesh, and to their gradients.

    L is the graph Laplacian: the number of edges of a vertex on the diagonal, -1 for each neighbor.
    The optimized values u and the displacements (I + lambda L)^-2 u agree for translations and
    nearly agree for low frequencies, while high frequencies are damped. So steps of an optimizer
    change the shape smoothly.

    The sparse matrix is factorized once, in float64 on the CPU. It is symmetric, so the gradient
    uses the same solve. Samples are solved one by one.

    Args:
        vertices: before the optimization, `[p, 3]`; they determine the elimination order and the
            scale.
        faces: of the mesh.
        reach: length over which a vertex moves its surroundings; lambda = reach^2 / (1.5 e^2) with
            the mean edge length e, which scales L to the Laplacian of the surface.

    Raises:
        InputError: `reach` is below 0.

    Source: Nicolet et al. 2021, "Large Steps in Inverse Rendering of Geometry". Deviations: lambda
    is computed from a length, so that it does not depend on the mesh, and the matrix is applied
    twice.
    """

    def __init__(
        self, vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"], reach: float
    ) -> None:
        from scipy.sparse import coo_array, csc_array, eye_array

        if not reach >= 0:
            raise InputError(f"Smoothing.reach: expected a length of at least 0, got {reach:g}")
        places = vertices.detach().cpu().double().numpy()
        start, stop = unique_edges(faces.detach().cpu()).numpy().T
        mean = np.linalg.norm(places[start] - places[stop], axis=1).mean()
        count = len(places)
        rows, columns = np.concatenate([start, stop]), np.concatenate([stop, start])
        links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
        degrees = np.bincount(rows, minlength=count).astype(float)
        strength = reach**2 / (1.5 * mean**2)
        diagonal = eye_array(count).multiply(1 + strength * degrees)
        self._factorization = Factorization(csc_array(diagonal - strength * links), places)

    def __call__(self, values: Float[Tensor, "n p c"]) -> Float[Tensor, "n p c"]:
        """The smoothed values; differentiable once."""
        return linear_map(values, self.solve, self.solve)

    def solve(self, values: Any) -> Any:
        """Smooths the values `[p, c]` of one sample, in float64."""
        for _ in range(TIMES):
            values = self._factorization.solve(values)
        return values
