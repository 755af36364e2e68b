"""The mesh behind a rendering, and quantities that several mesh regularizers need.

Vertices of all samples are gathered from a matrix with one row per vertex, see `vertex_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.topology import unique_edges
from guidance.meshes import MeshScene
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext

Table = TypeVar("Table")
#: Added to squared lengths, so that the derivative of a length is finite at 0.
TINY = 1e-20


class CachedPairs:
    """Pairs of indices derived from a list of faces, computed once per list.

    Args:
        derive: maps faces [f, 3] to pairs [e, 2], e.g. `unique_edges` or `face_pairs`.
    """

    def __init__(self, derive: Callable[[Int[Tensor, "f 3"]], Int[Tensor, "e 2"]]) -> None:
        self.derive = derive
        self.faces: Int[Tensor, "f 3"] | None = None

    def __call__(self, faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e"], Int[Tensor, "e"]]:
        """The first and the second index of each pair."""
        if self.faces is not faces:
            first, second = self.derive(faces).unbind(1)
            self.faces, self.pairs = faces, (first, second)
        return self.pairs


class CachedTable(Generic[Table]):
    """Values derived from the edges and the rest shape of a mesh, computed once per mesh.

    Args:
        derive: maps the two ends [e] of the edges and the rest vertices [p, 3] to the values.
    """

    def __init__(self, derive: Callable[[Tensor, Tensor, Tensor], Table]) -> None:
        self.derive, self.edges = derive, CachedPairs(unique_edges)
        self.of: tuple[Tensor, Tensor, int] | None = None

    def __call__(self, scene: MeshScene) -> Table:
        """The values for the mesh of a scene."""
        (start, stop), rest = self.edges(scene.faces), scene.rest_vertices
        of, version = self.of, rest._version
        if of is None or of[0] is not start or of[1] is not rest or of[2] != version:
            with torch.no_grad():
                self.table = self.derive(start, stop, rest)
            self.of = start, rest, version
        return self.table


def mesh_scene(loss: Loss, rendering: Rendering) -> MeshScene:
    """The mesh behind a rendering. Raises InputError for images that are not of a mesh."""
    if not isinstance(rendering.scene, MeshScene):
        raise InputError(
            f"{type(loss).__name__}: expected images of a mesh, got a scene of type "
            f"{type(rendering.scene).__name__}; use this loss with mesh generators only"
        )
    return rendering.scene


def per_mesh(loss: Loss, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
    """The loss of each sample, for samples whose meshes have different faces (`MeshScenes`)."""
    meshes = rendering.scene.meshes
    return torch.cat([loss(replace(rendering, scene=mesh), context) for mesh in meshes])


def vertex_rows(vertices: Float[Tensor, "n p 3"]) -> Float[Tensor, "p 3*n"]:
    """One row per vertex with its coordinates in all samples.

    Gathering rows of a matrix, and its backward pass, is over ten times faster than gathering
    along the second of three dimensions.
    """
    return vertices.transpose(0, 1).flatten(1)


def edge_lengths(
    vertices: Float[Tensor, "n p 3"], start: Int[Tensor, "e"], stop: Int[Tensor, "e"]
) -> Float[Tensor, "e n"]:
    """The length of each edge in each sample; differentiable, also at length 0."""
    rows = vertex_rows(vertices)
    along = rows.index_select(0, stop) - rows.index_select(0, start)
    return (along.view(len(start), -1, 3).square().sum(-1) + TINY).sqrt()
