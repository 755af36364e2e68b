"""Displacements of a surface that come out smooth, whatever asks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.factorization import Factors, linear_map
from guidance.geometry.topology import unique_edges

#: The matrix is applied so many times: once leaves a thorn where one vertex is pulled alone.
TIMES = 2


class Smoothing:
    """Applies (I + lambda L)^-2 to values at the vertices of a mesh, and to their gradients.

    L is the graph Laplacian (the number of a vertex's edges on the diagonal, -1 for each
    neighbor). What is optimized, u, and the displacements that are seen, (I + lambda L)^-2 u, are
    the same for shifts of the whole and nearly so for slow waves, while fine ripples hardly
    move: so the many steps that an optimizer takes for one vertex at a time add up to smooth ones.

    The matrix is factorized once, sparse and in float64, on the CPU, wherever the values are; it is
    symmetric, so the gradient takes the same solve. Samples are solved for one by one.

    Args:
        vertices: at rest, `[p, 3]`; they say which unknowns are near one another, and the scale.
        faces: of one mesh.
        reach: over what length a vertex takes its surroundings along; lambda is that length,
            squared, by 1.5 squared mean edges, by which L becomes the Laplacian of a surface.

    Raises:
        InputError: `reach` below 0.

    Source: Nicolet et al. 2021, "Large Steps in Inverse Rendering of Geometry", with lambda from a
    length so that it does not depend on the mesh. Deviation: applied twice.
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
        self._factors = Factors(csc_array(diagonal - strength * links), places)

    def __call__(self, values: Float[Tensor, "n p c"]) -> Float[Tensor, "n p c"]:
        """The smoothed values; differentiable once."""
        return linear_map(values, self.solve, self.solve)

    def solve(self, values: Any) -> Any:
        """`[p, c]` in float64 to the same."""
        for _ in range(TIMES):
            values = self._factors.solve(values)
        return values
