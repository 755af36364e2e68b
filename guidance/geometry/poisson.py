"""The Poisson solve: vertices from one Jacobian per face."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.factorization import Factorization, linear_map

Array = Any  # a numpy array, or a sparse array of scipy
#: Faces whose height is a smaller share of their longest edge are excluded: the cotangents of their
#: angles, up to the inverse of this, would dominate those of all other faces.
THIN = 1e-5
#: Parts are tied to one of this many largest parts.
CARRIERS = 32
#: Vertices closer than this touch another part, in mean edge lengths of the smaller part.
REACH = 1.5
#: Largest accepted residual of a test solve, relative to its right-hand side.
ACCURACY = 1e-6


class Poisson:
    """Minimizes the sum of a_f |grad x - J_f|^2 over the vertices x of a mesh with fixed faces.

    a_f are the areas of the faces of the rest shape, grad is the gradient of linear functions on
    it, and J_f are the Jacobians. The unknown is the displacement u, computed from J - I: so the
    identity gives exactly the rest shape, and u is linear in J - I. The component of J along the
    normal of a face has no effect.

    The matrix is the cotangent Laplacian. It is factorized once, sparse and in float64, by SuperLU
    on the CPU; the adjoint uses the same solve. Three measures make it regular for any mesh. Faces
    that are too thin for a gradient are excluded. Disconnected parts are tied to a larger part, by
    the vertices that touch it and at least by the nearest one, and keep these offsets. The mean of
    the displacement, weighted by area, is 0.

    If some vertices are held, their displacement is exactly 0, instead of the mean.

    Args:
        vertices: of the rest shape, `[p, 3]`.
        faces: may have boundaries, several parts and non-manifold edges. Vertices without a face,
            or with thin faces only, are tied like parts.
        held: fixed vertices, not all of them; by default none.

    Raises:
        InputError: all faces are too thin, or the solve is not accurate.

    Source: Neural Jacobian Fields (Aigerman et al., arXiv 2205.02904), as used by TextDeformer (Gao
    et al., arXiv 2304.13348). Deviations: the ties, and that the mean is fixed instead of a vertex.
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
            raise InputError("all faces of the mesh are degenerate; use a mesh with a surface")
        self.num_thin = int(thin.sum())
        weights = np.repeat(area, 3)[:, None]
        self._right = csc_array((gradient * weights).T)  # [p, 3 f]
        self._left = csc_array(gradient * weights)
        self.num_parts, ties = _ties(places, corners[~thin])
        matrix = csc_array(self._right @ gradient + _stiffness(ties, len(places)))
        if held is None or not bool(held.any()):
            # Translations are in the null space. Any weight at one vertex makes the matrix regular
            # and does not change the result, since the right-hand side is free of translations.
            matrix = matrix + csc_array(([matrix.diagonal().mean()], ([0], [0])), matrix.shape)
            mass = np.bincount(corners.T.reshape(-1), np.tile(area, 3), len(places))
            self._mass, self._free = (mass / mass.sum())[None], np.arange(len(places))
        else:
            self._mass, self._free = None, np.flatnonzero(~held.cpu().numpy())
            matrix = csc_array(matrix[self._free][:, self._free])
        try:
            self._factorization = Factorization(matrix, places[self._free])
        except RuntimeError:  # exactly singular
            raise InputError(_BAD) from None
        test = matrix @ places[self._free]
        residual = np.abs(matrix @ self._factorization.solve(test) - test).max()
        if not residual <= ACCURACY * np.abs(test).max():
            raise InputError(_BAD)

    def displacements(self, jacobians: Float[Tensor, "n f 3 3"]) -> Float[Tensor, "n p 3"]:
        """The displacement of each vertex, in the units of the rest shape; differentiable once.

        Row i of a Jacobian is the gradient of coordinate i, so it maps tangent vectors of the rest
        surface to those of the deformed surface. Samples are solved one by one, so no sample
        depends on another.
        """
        if jacobians.shape[1] != self.shape[1]:
            raise InputError(
                f"Poisson: expected a Jacobian for each of {self.shape[1]} faces, got "
                f"{jacobians.shape[1]}"
            )
        return linear_map(jacobians, self.solve, self.adjoint)

    def solve(self, jacobians: Array) -> Array:
        """The displacements `[p, 3]` of Jacobians `[f, 3, 3]`, in float64."""
        targets = (jacobians - np.eye(3)).transpose(0, 2, 1).reshape(-1, 3)
        moved = self._inverse(self._right @ targets)
        return moved if self._mass is None else moved - self._mass @ moved

    def adjoint(self, grads: Array) -> Array:
        """The transpose of `solve`: gradients `[p, 3]` to `[f, 3, 3]`."""
        if self._mass is not None:
            grads = grads - self._mass.T * grads.sum(0)
        rows = self._left @ self._inverse(grads)
        return rows.reshape(-1, 3, 3).transpose(0, 2, 1)

    def _inverse(self, right: Array) -> Array:
        """The solution for all vertices, 0 for held ones."""
        solution = np.zeros_like(right)
        solution[self._free] = self._factorization.solve(right[self._free])
        return solution


_BAD = "the faces of the mesh are too thin or too uneven for an accurate solve; remesh it first"


def _gradient(places: Array, corners: Array) -> tuple[Array, Array, Array]:
    """The gradient operator `[3 f, p]`, the areas of the faces, and which faces are thin.

    The hat function of a vertex has the gradient n x e / (2 area) in a face, with the unit normal n
    and the opposite edge e.
    """
    from scipy.sparse import csr_array

    a, b, c = (places[corners[:, corner]] for corner in range(3))
    opposite = np.stack([c - b, a - c, b - a], 1)
    normal = np.cross(opposite[:, 2], -opposite[:, 1])
    double = np.linalg.norm(normal, axis=1)
    longest = np.linalg.norm(opposite, axis=2).max(1)
    thin = ~(double > THIN * longest**2)
    safe = np.where(thin, 1.0, double)[:, None]
    gradients = np.cross((normal / safe)[:, None], opposite) / safe[:, None]
    gradients[thin] = 0
    count, f = len(places), len(corners)
    rows = np.broadcast_to(3 * np.arange(f)[:, None, None] + np.arange(3), (f, 3, 3))
    columns = np.broadcast_to(corners[:, :, None], (f, 3, 3))
    entries = (gradients.reshape(-1), (rows.reshape(-1), columns.reshape(-1)))
    return csr_array(entries, shape=(3 * f, count)), double / 2, thin


def _stiffness(pairs: Array, count: int) -> Array:
    """The matrix of the energy sum of |u_i - u_j|^2 over pairs (i, j).

    A tie is about as stiff as an edge between two equilateral faces. The energy of a part with a
    single tie becomes 0.
    """
    from scipy.sparse import csc_array

    first, second = pairs.T
    ones = np.ones(len(pairs))
    rows = np.concatenate([first, second, first, second])
    columns = np.concatenate([first, second, second, first])
    values = np.concatenate([ones, ones, -ones, -ones])
    return csc_array((values, (rows, columns)), shape=(count, count))


def _ties(places: Array, corners: Array) -> tuple[int, Array]:
    """The number of connected parts, and pairs of vertices that tie them together `[m, 2]`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    count = len(places)
    walks = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]]])
    links = coo_array((np.ones(len(walks)), tuple(walks.T)), shape=(count, count))
    parts, part = connected_components(links, directed=False)
    if parts == 1:
        return 1, np.zeros((0, 2), dtype=np.int64)
    # Parts in decreasing order of size; among equal ones, that with the lowest vertex comes first.
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
