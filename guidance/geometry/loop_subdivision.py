"""Loop subdivision of a closed control mesh, as a sparse matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.factorization import linear_map
from guidance.geometry.topology import edge_sides


@dataclass(frozen=True)
class LoopSubdivision:
    """One subdivision step of a closed mesh: each face is divided into four.

    The old vertices come first, in their order, followed by one for each edge. Face i becomes the
    faces 4 i to 4 i + 3: one at each corner, then the one in the center.

    Source: Loop 1987, "Smooth Subdivision Surfaces Based on Triangles". A new vertex is 3/8 of each
    end of its edge plus 1/8 of each opposite corner. An old vertex with k neighbors is 1 - k b of
    itself plus b of each neighbor, b = (5/8 - (3/8 + cos(2 pi / k) / 4)^2) / k.
    """

    matrix: Any  # sparse array of scipy, [p + e, p]; the rows sum to 1
    faces: Int[Tensor, "g 3"]

    @classmethod
    def of(cls, faces: Int[Tensor, "f 3"], vertices: int) -> LoopSubdivision:
        """The subdivision of a closed, consistently oriented mesh.

        Args:
            vertices: number of vertices; each belongs to a face.

        Raises:
            InputError: the mesh is open, or its faces are not consistently oriented.
        """
        from scipy.sparse import csr_array

        sides = edge_sides(faces)
        if not sides.is_closed():
            raise InputError(
                "LoopSubdivision: expected a closed, consistently oriented mesh (two faces at each "
                "edge)"
            )
        ends, count = sides.edges, len(sides.edges)
        of_edge = vertices + torch.arange(count)
        # The index of the corner opposite an edge is the sum of the face's indices minus the ends.
        across = faces.long()[sides.faces].sum(1).view(count, 2) - ends.sum(1, keepdim=True)
        degree = torch.bincount(ends.flatten(), minlength=vertices).double()
        share = (5 / 8 - (3 / 8 + (2 * math.pi / degree).cos() / 4).square()) / degree
        old = torch.arange(vertices)
        rows = [old, ends[:, 0], ends[:, 1], *[of_edge] * 4]
        columns = [old, ends[:, 1], ends[:, 0], *ends.unbind(1), *across.unbind(1)]
        values = [1 - degree * share, share[ends[:, 0]], share[ends[:, 1]]]
        values += [torch.full((count,), weight).double() for weight in (3 / 8, 3 / 8, 1 / 8, 1 / 8)]
        places = torch.cat(rows).numpy(), torch.cat(columns).numpy()
        shape = (vertices + count, vertices)
        return cls(csr_array((torch.cat(values).numpy(), places), shape), quartered(faces))

    def __call__(self, values: Float[Tensor, "n p c"]) -> Float[Tensor, "n q c"]:
        """The values at the vertices of the subdivided mesh; linear and differentiable."""
        return linear_map(values, lambda x: self.matrix @ x, lambda grad: self.matrix.T @ grad)


def quartered(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "g 3"]:
    """Each face divided into four; the midpoints of the edges follow the last vertex, in order."""
    edges = edge_sides(faces).edges
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1).long()
    span = int(faces.max()) + 1
    keys = edges[:, 0] * span + edges[:, 1]
    middles = span + torch.searchsorted(keys, walks.amin(-1) * span + walks.amax(-1))
    (a, b, c), (ab, bc, ca) = faces.long().unbind(1), middles.unbind(1)
    pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return torch.stack([torch.stack(piece, 1) for piece in pieces], 1).flatten(0, 1)


def middles(values: Float[Tensor, "p c"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "q c"]:
    """Values at the vertices of `quartered(faces)`, linear along the edges, e.g. UV coordinates."""
    return torch.cat([values, values[edge_sides(faces).edges].mean(1)])
