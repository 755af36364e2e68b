"""Vertices from one small matrix a face: the surface whose gradients fit them best."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.factorization import Factors, linear_map

Array = Any  # of numpy, or sparse of scipy
#: A face whose height is a smaller share of its longest edge has no gradient worth the name: the
#: cotangents of its angles, up to the inverse of this, would drown those of all others.
THIN = 1e-5
#: Of this many parts, the largest, any may carry others; smaller ones only hang on to them.
CARRIERS = 32
#: How near another part has to be to touch, in mean edges of the smaller one.
REACH = 1.5
#: Largest residual of the first solve, as a share of its right side.
ACCURACY = 1e-6


class Poisson:
    """Solves min over x of sum of a_f |grad x - J_f|^2 for meshes with one list of faces.

    a_f are the areas of the faces at rest, grad is the gradient of linear functions on the rest
    surface, and J_f the Jacobians. What is solved for is the displacement u of the rest shape, from
    J - I: so the identity gives the rest shape to the bit, and u is linear in J - I. The part of J
    along a face's normal has no say.

    The matrix is that of the cotangent Laplacian. It is factorized once, sparse and in float64, by
    SuperLU on the CPU, wherever the Jacobians are; the adjoint is the same solve. Three things make
    it regular on meshes as they come: faces that are too thin for a gradient have no say; parts
    that do not hang together by others are tied, each by the vertices that touch a larger part, at
    least by the nearest one, and keep these offsets; and the mean of the displacement, weighted by
    area, is 0.

    Where some vertices are held, their displacement is 0 to the bit, in place of the mean's.

    Args:
        vertices: at rest, `[p, 3]`.
        faces: any triangles: open, in parts, several at an edge. Vertices without a face, or with
            thin ones only, are tied like parts.
        held: the vertices that stay, not all of them; by default none.

    Raises:
        InputError: all faces are too thin, or the solve is not accurate.

    Source: Neural Jacobian Fields (Aigerman et al., arXiv 2205.02904), as used by TextDeformer (Gao
    et al., arXiv 2304.13348). Deviations: the ties, and that the mesh
    is held by its center of area instead of a vertex.
    """

    def __init__(
        self,
        vertices: Float[Tensor, "p 3"],
        faces: Int[Tensor, "f 3"],
        held: Bool[Tensor, "p"] | None = None,
    ) -> None:
        from scipy.sparse import csc_array

        places = vertices.detach().cpu().double().numpy()
        corners = faces.detach().cpu().long().numpy()
        self.shape = len(places), len(corners)
        gradient, area, thin = _gradient(places, corners)
        if thin.all():
            raise InputError("the mesh's faces are all lines or points; there is no shape to move")
        self.num_thin = int(thin.sum())
        weights = np.repeat(area, 3)[:, None]
        self._right = csc_array((gradient * weights).T)  # [p, 3 f]
        self._left = csc_array(gradient * weights)
        self.num_parts, ties = _ties(places, corners[~thin])
        matrix = csc_array(self._right @ gradient + _stiffness(ties, len(places)))
        if held is None or not bool(held.any()):
            # Shifts of the whole cost nothing. Any weight at one vertex makes the matrix regular,
            # and has no influence, since the right side is always free of shifts.
            matrix = matrix + csc_array(([matrix.diagonal().mean()], ([0], [0])), matrix.shape)
            mass = np.bincount(corners.T.reshape(-1), np.tile(area, 3), len(places))
            self._mass, self._free = (mass / mass.sum())[None], np.arange(len(places))
        else:
            self._mass, self._free = None, np.flatnonzero(~held.cpu().numpy())
            matrix = csc_array(matrix[self._free][:, self._free])
        try:
            self._factors = Factors(matrix, places[self._free])
        except RuntimeError:  # exactly singular
            raise InputError(_BAD) from None
        tried = matrix @ places[self._free]
        residual = np.abs(matrix @ self._factors.solve(tried) - tried).max()
        if not residual <= ACCURACY * np.abs(tried).max():
            raise InputError(_BAD)

    def displacements(self, jacobians: Float[Tensor, "n f 3 3"]) -> Float[Tensor, "n p 3"]:
        """How far each vertex moves, in the units of the rest shape.

        Row i of a Jacobian is the gradient of coordinate i: it maps steps on the rest surface to
        steps on the moved one. Differentiable once; samples are solved for one by one, so that
        none depends on another.
        """
        if jacobians.shape[1] != self.shape[1]:
            raise InputError(
                f"Poisson: expected a Jacobian for each of {self.shape[1]} faces, got "
                f"{jacobians.shape[1]}"
            )
        return linear_map(jacobians, self.solve, self.adjoint)

    def solve(self, jacobians: Array) -> Array:
        """`[f, 3, 3]` to `[p, 3]`, both in float64."""
        targets = (jacobians - np.eye(3)).transpose(0, 2, 1).reshape(-1, 3)
        moved = self._inverse(self._right @ targets)
        return moved if self._mass is None else moved - self._mass @ moved

    def adjoint(self, slopes: Array) -> Array:
        """`[p, 3]` to `[f, 3, 3]`: the transpose of `solve`."""
        if self._mass is not None:
            slopes = slopes - self._mass.T * slopes.sum(0)
        rows = self._left @ self._inverse(slopes)
        return rows.reshape(-1, 3, 3).transpose(0, 2, 1)

    def _inverse(self, right: Array) -> Array:
        """Of all vertices; 0 where they are held."""
        found = np.zeros_like(right)
        found[self._free] = self._factors.solve(right[self._free])
        return found


_BAD = "the mesh's faces are too thin or too uneven to be solved for; remesh it first"


def _gradient(places: Array, corners: Array) -> tuple[Array, Array, Array]:
    """The gradient of the function that is 1 at a vertex, `[3 f, p]`; areas; which are thin.

    Within a face with unit normal n it is n x e / (2 area), where e is the opposite edge.
    """
    from scipy.sparse import csr_array

    a, b, c = (places[corners[:, corner]] for corner in range(3))
    opposite = np.stack([c - b, a - c, b - a], 1)
    normal = np.cross(opposite[:, 2], -opposite[:, 1])
    double = np.linalg.norm(normal, axis=1)
    longest = np.linalg.norm(opposite, axis=2).max(1)
    thin = ~(double > THIN * longest**2)
    safe = np.where(thin, 1.0, double)[:, None]
    slopes = np.cross((normal / safe)[:, None], opposite) / safe[:, None]
    slopes[thin] = 0
    count, f = len(places), len(corners)
    rows = np.broadcast_to(3 * np.arange(f)[:, None, None] + np.arange(3), (f, 3, 3))
    columns = np.broadcast_to(corners[:, :, None], (f, 3, 3))
    entries = (slopes.reshape(-1), (rows.reshape(-1), columns.reshape(-1)))
    return csr_array(entries, shape=(3 * f, count)), double / 2, thin


def _stiffness(pairs: Array, count: int) -> Array:
    """The matrix of the energy sum of |u_i - u_j|^2 over pairs (i, j).

    Each pulls like an edge between two faces of equal sides. Where a part has one tie only, it
    reaches 0.
    """
    from scipy.sparse import csc_array

    first, second = pairs.T
    ones = np.ones(len(pairs))
    rows = np.concatenate([first, second, first, second])
    columns = np.concatenate([first, second, second, first])
    values = np.concatenate([ones, ones, -ones, -ones])
    return csc_array((values, (rows, columns)), shape=(count, count))


def _ties(places: Array, corners: Array) -> tuple[int, Array]:
    """The number of parts, and pairs of vertices that join them, `[at least parts - 1, 2]`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    count = len(places)
    walks = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]]])
    links = coo_array((np.ones(len(walks)), tuple(walks.T)), shape=(count, count))
    parts, part = connected_components(links, directed=False)
    if parts == 1:
        return 1, np.zeros((0, 2), dtype=np.int64)
    # Parts in falling order of size; of equal ones, the one with the lower vertex comes first.
    order = np.argsort(-np.bincount(part), kind="stable")
    rank = np.empty(parts, dtype=np.int64)
    rank[order] = np.arange(parts)
    members = np.split(np.argsort(rank[part], kind="stable"), np.cumsum(np.bincount(rank[part])))
    lengths = np.linalg.norm(places[walks[:, 0]] - places[walks[:, 1]], axis=1)
    owners = rank[part[walks[:, 0]]]
    counts = np.maximum(np.bincount(owners, minlength=parts), 1)
    reach = REACH * np.bincount(owners, lengths, parts) / counts
    ties = []
    for index in range(1, parts):
        if index <= CARRIERS:
            carriers = np.concatenate(members[:index])
            tree = cKDTree(places[carriers])
        distance, nearest = tree.query(places[members[index]])
        touching = (distance <= reach[index]) | (np.arange(len(distance)) == distance.argmin())
        ties.append(np.stack([members[index], carriers[nearest]], 1)[touching])
    return parts, np.concatenate(ties)
