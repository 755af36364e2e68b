"""Removal of the self-intersections that a deformation creates, by weakening it locally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.geometry.intersections import intersecting_pairs
from guidance.geometry.normalization import Normalization
from guidance.geometry.poisson import Poisson

Array = Any  # a numpy array
#: An intersecting pair of faces is not new if the rest shape has one within this distance, in radii
#: (the root of the sum of both faces' squared distances). Where parts of the rest shape penetrate
#: each other, such as a handle and its pot, their intersection line may move over the faces.
KNOWN = 0.15
#: In each round, the faces around a new intersection lose this share of their deformation, ...
PULL = 0.3
#: ... within this distance at rest, in radii, which grows by this factor per round. Measured: six
#: deformations of two meshes took 1 to 16 rounds; with half the share, twice as many rounds led to
#: the same result.
WITHIN, GROWTH = 0.15, 1.1
#: Maximum number of rounds; by then, the surroundings of an intersection are nearly at rest.
ROUNDS = 40


@dataclass(frozen=True)
class Untangled:
    """The share of the deformation that each face keeps, and the result."""

    strength: Float[Tensor, "f"] | None  # in [0, 1], smooth; None if nothing is weakened
    before: int  # number of newly intersecting faces before
    after: int  # and after


class Untangler:
    """Finds and removes the self-intersections that the rest shape does not have.

    Each face has a strength s, initially 1, and the vertices are solved from I + s (J - I). Around
    each newly intersecting pair of faces, s is reduced, smoothly over the rest shape, in rounds and
    over growing distances, until no such pair is left or the last round is reached. At s = 0
    everywhere the mesh would be the rest shape.

    Args:
        vertices: of the rest shape, `[p, 3]`.
        faces: `[f, 3]`.
        twin: for each face, another face that gets the same strength, e.g. its mirror image.

    Raises:
        InputError: vertices are not finite, or numba is not installed.
    """

    def __init__(
        self,
        vertices: Float[Tensor, "p 3"],
        faces: Int[Tensor, "f 3"],
        twin: Int[Tensor, "f"] | None = None,
    ) -> None:
        self.rest, self.faces = vertices.detach().cpu().double(), faces.detach().cpu().long()
        self._twin = None if twin is None else twin.cpu().numpy()
        unit = Normalization.of(self.rest).apply(self.rest)
        self._centers = unit[self.faces].mean(1).numpy()
        known = intersecting_pairs(self.rest, self.faces).numpy()
        self._known = self._pair_centers(np.concatenate([known, known[:, ::-1]]))

    def _pair_centers(self, pairs: Array) -> Array:
        """The centers of both faces of each pair at rest, as one point in six dimensions."""
        return self._centers[pairs].reshape(-1, 6)

    def tangled(self, vertices: Float[Tensor, "p 3"]) -> Int[Tensor, "t"]:
        """The indices of newly intersecting faces, sorted."""
        from scipy.spatial import cKDTree

        pairs = intersecting_pairs(vertices, self.faces).numpy()
        if len(pairs) and len(self._known):
            pairs = pairs[cKDTree(self._known).query(self._pair_centers(pairs))[0] > KNOWN]
        return torch.from_numpy(np.unique(pairs))

    def untangle(self, poisson: Poisson, jacobians: Float[Tensor, "f 3 3"]) -> Untangled:
        """The strengths for one deformation: the best of all rounds.

        Args:
            poisson: of the same mesh.
            jacobians: see `Poisson.displacements`.
        """
        jacobians = jacobians.detach().cpu()
        strength = torch.ones(len(self.faces), dtype=jacobians.dtype)
        best, before, within = Untangled(None, 0, 0), 0, WITHIN
        for turn in range(ROUNDS + 1):
            # In the precision of the run, so that the tested shape is the one that is rendered.
            current = weakened(jacobians, strength).double()
            tangled = self.tangled(self.rest + poisson.displacements(current[None])[0])
            if turn == 0:
                best = Untangled(None, len(tangled), len(tangled))
                before = len(tangled)
            elif len(tangled) < best.after:
                best = Untangled(strength, before, len(tangled))
            if not len(tangled):
                break
            strength = strength * (1 - PULL * self._nearness(tangled, within)).to(strength)
            within *= GROWTH
        return best

    def _nearness(self, chosen: Int[Tensor, "t"], within: float) -> Float[Tensor, "f"]:
        """1 at the chosen faces and their twins, falling smoothly to 0 at the distance `within`."""
        from scipy.spatial import cKDTree

        nearest = chosen.numpy()
        if self._twin is not None:
            nearest = np.concatenate([nearest, self._twin[nearest]])
        distance = cKDTree(self._centers[nearest]).query(self._centers)[0]
        share = np.clip(distance / within, 0.0, 1.0)
        return torch.from_numpy(1 - share * share * (3 - 2 * share))


def weakened(
    jacobians: Float[Tensor, "*n f 3 3"], strength: Float[Tensor, "*n f"]
) -> Float[Tensor, "*n f 3 3"]:
    """The Jacobians I + s (J - I): the identity at strength 0, unchanged at strength 1."""
    identity = torch.eye(3).to(jacobians)
    return identity + strength[..., None, None] * (jacobians - identity)
