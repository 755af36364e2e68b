"""Access to the meshes behind a rendering, shared by the mesh regularizers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene
from guidance.types import Loss, Rendering, StepContext

TINY = 1e-20  # keeps the slope of a length finite at 0


class _Remembered:
    """What a list of faces implies, which stays the same through a run."""

    def __init__(self, derive: Callable[[Int[Tensor, "f 3"]], Int[Tensor, "e 2"]]) -> None:
        self.derive = derive
        self.faces: Int[Tensor, "f 3"] | None = None

    def __call__(self, faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e"], Int[Tensor, "e"]]:
        if self.faces is not faces:
            first, second = self.derive(faces).unbind(1)
            self.faces, self.pairs = faces, (first, second)
        return self.pairs


def _scene(loss: Loss, rendering: Rendering) -> MeshScene:
    if not isinstance(rendering.scene, MeshScene):
        raise InputError(
            f"{type(loss).__name__}: expected images of a mesh, got a scene of "
            f"{type(rendering.scene).__name__}; it goes with mesh generators only"
        )
    return rendering.scene


def _of_each(loss: Loss, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
    """The loss of samples whose meshes have faces of their own."""
    meshes = rendering.scene.meshes
    return torch.cat([loss(replace(rendering, scene=mesh), context) for mesh in meshes])


def _rows(vertices: Float[Tensor, "n p 3"]) -> Float[Tensor, "p 3*n"]:
    """All samples' coordinates of a vertex in one row.

    Gathering whole rows of a matrix, and adding them back in backward, is over ten times faster
    than gathering along the second of three dimensions.
    """
    return vertices.transpose(0, 1).flatten(1)


def _lengths(
    vertices: Float[Tensor, "n p 3"], start: Int[Tensor, "e"], stop: Int[Tensor, "e"]
) -> Float[Tensor, "e n"]:
    rows = _rows(vertices)
    along = rows.index_select(0, stop) - rows.index_select(0, start)
    return (along.view(len(start), -1, 3).square().sum(-1) + TINY).sqrt()
