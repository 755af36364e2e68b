"""Where a deformation pushed a surface through itself, it is weakened until that is undone."""

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

Array = Any  # of numpy
#: A pair of faces meets as the rest shape does if a pair within this meets there: the root of both
#: faces' squared distances, in radii. Where parts are stuck into each other, a handle into its pot,
#: the line along which they cross wanders over the faces, and that is no fault.
KNOWN = 0.15
#: In each round the faces around a new crossing lose this share of their deformation, ...
PULL = 0.3
#: ... within this distance at rest, in radii, which grows by this factor a round. By measurement:
#: six deformations of two meshes took 1 to 16 rounds, and half the pull twice as many to the same.
WITHIN, GROWTH = 0.15, 1.1
#: Rounds until it is given up: by then all around a crossing is nearly at rest.
ROUNDS = 40


@dataclass(frozen=True)
class Untangled:
    """How much of a deformation each face keeps, and what that mended."""

    strength: Float[Tensor, "f"] | None  # in [0, 1], smooth; None where all is kept
    before: int  # faces that ran through others, and did not at rest
    after: int


class Untangler:
    """Finds and undoes the self-intersections that a mesh at rest does not have.

    Faces have a strength s, 1 at first, and the vertices are solved for from I + s (J - I). Around
    each pair of faces that newly runs through each other s falls, smoothly over the rest shape, in
    rounds and ever wider, until there is no such pair. At s = 0 everywhere the mesh would be at
    rest, where there are none; so it ends well long before, or at the last round.

    Args:
        vertices: at rest, `[p, 3]`.
        faces: `[f, 3]`.
        twin: for each face, another that shall have its strength, as in a symmetric mesh.

    Raises:
        InputError: vertices that are not finite; no numba.
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
        self._middles = unit[self.faces].mean(1).numpy()
        known = intersecting_pairs(self.rest, self.faces).numpy()
        self._known = self._both(np.concatenate([known, known[:, ::-1]]))

    def _both(self, pairs: Array) -> Array:
        """Where the two faces of each pair lie at rest, as one place in six dimensions."""
        return self._middles[pairs].reshape(-1, 6)

    def tangled(self, vertices: Float[Tensor, "p 3"]) -> Int[Tensor, "t"]:
        """The faces that run through others where the rest shape does not, in rising order."""
        from scipy.spatial import cKDTree

        pairs = intersecting_pairs(vertices, self.faces).numpy()
        if len(pairs) and len(self._known):
            pairs = pairs[cKDTree(self._known).query(self._both(pairs))[0] > KNOWN]
        return torch.from_numpy(np.unique(pairs))

    def untangle(self, poisson: Poisson, jacobians: Float[Tensor, "f 3 3"]) -> Untangled:
        """The strengths for one deformation; the best of all rounds.

        Args:
            poisson: of the same mesh.
            jacobians: as `Poisson.displacements` takes them.
        """
        wanted = jacobians.detach().cpu()
        strength = torch.ones(len(self.faces), dtype=wanted.dtype)
        found, before, within = Untangled(None, 0, 0), 0, WITHIN
        for turn in range(ROUNDS + 1):
            # Rounded as the run rounds it, so that what is looked at here is what is shown.
            now = weakened(wanted, strength).double()
            tangled = self.tangled(self.rest + poisson.displacements(now[None])[0])
            if turn == 0:
                found = Untangled(None, len(tangled), len(tangled))
                before = len(tangled)
            elif len(tangled) < found.after:
                found = Untangled(strength, before, len(tangled))
            if not len(tangled):
                break
            strength = strength * (1 - PULL * self._nearness(tangled, within)).to(strength)
            within *= GROWTH
        return found

    def _nearness(self, chosen: Int[Tensor, "t"], within: float) -> Float[Tensor, "f"]:
        """Of all faces at rest to the nearest of those: 1 there, smoothly down to 0."""
        from scipy.spatial import cKDTree

        nearest = chosen.numpy()
        if self._twin is not None:
            nearest = np.concatenate([nearest, self._twin[nearest]])
        away = cKDTree(self._middles[nearest]).query(self._middles)[0]
        share = np.clip(away / within, 0.0, 1.0)
        return torch.from_numpy(1 - share * share * (3 - 2 * share))


def weakened(
    jacobians: Float[Tensor, "*n f 3 3"], strength: Float[Tensor, "*n f"]
) -> Float[Tensor, "*n f 3 3"]:
    """I + s (J - I): with a strength of 0 the face is left as it was, with 1 it keeps its wish."""
    identity = torch.eye(3).to(jacobians)
    return identity + strength[..., None, None] * (jacobians - identity)
