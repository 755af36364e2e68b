"""Loop's subdivision: a smooth surface from a coarse control mesh, as a matrix."""

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
    """Each face of a closed mesh cut into four, and where its vertices go.

    The old vertices come first, in their order, then one for each edge. Face i becomes the faces
    4 i to 4 i + 3: one at each corner, then the one in the middle.

    Source: Loop 1987, "Smooth Subdivision Surfaces Based on Triangles": a new vertex is 3/8 of
    each end of its edge and 1/8 of each corner across; an old one with k neighbors keeps
    1 - k b of itself and takes b of each, b = (5/8 - (3/8 + cos(2 pi / k) / 4)^2) / k.
    """

    matrix: Any  # sparse of scipy, [p + e, p]; its rows sum to 1
    faces: Int[Tensor, "g 3"]

    @classmethod
    def of(cls, faces: Int[Tensor, "f 3"], vertices: int) -> LoopSubdivision:
        """For a mesh without a border, two faces at each edge.

        Args:
            vertices: how many the mesh has; each belongs to a face.

        Raises:
            InputError: the mesh is open, or not oriented alike.
        """
        from scipy.sparse import csr_array

        sides = edge_sides(faces)
        if not sides.is_closed():
            raise InputError("LoopSubdivision: expected a closed mesh, two faces at each edge")
        ends, count = sides.edges, len(sides.edges)
        of_edge = vertices + torch.arange(count)
        # The corner across from an edge is what remains of the sum of a face's corners.
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
        """The values at the finer mesh's vertices; linear and differentiable."""
        return linear_map(values, lambda x: self.matrix @ x, lambda slope: self.matrix.T @ slope)


def quartered(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "g 3"]:
    """Each face in four; the middles of the edges, in rising order, follow the last vertex."""
    edges = edge_sides(faces).edges
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1).long()
    span = int(faces.max()) + 1
    keys = edges[:, 0] * span + edges[:, 1]
    middles = span + torch.searchsorted(keys, walks.amin(-1) * span + walks.amax(-1))
    (a, b, c), (ab, bc, ca) = faces.long().unbind(1), middles.unbind(1)
    pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return torch.stack([torch.stack(piece, 1) for piece in pieces], 1).flatten(0, 1)


def middles(values: Float[Tensor, "p c"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "q c"]:
    """Values at the vertices of `quartered(faces)` by straight lines, as texture coordinates go."""
    return torch.cat([values, values[edge_sides(faces).edges].mean(1)])
