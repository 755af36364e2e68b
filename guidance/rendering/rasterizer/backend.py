"""The interface of a renderer backend, and the fragments that its functions exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor

BackendName = Literal["cpu", "torch", "nvdiffrast"]


@dataclass(frozen=True)
class Backend:
    """The functions that a backend implements.

    All but `visible` and `barycentrics` are documented in `contract`, whose functions of the same
    name check the arguments and call these.

    Args:
        visible: clip coordinates `[b, p, 4]`, faces `[f, 3]`, height and width to the nearest face
            and its depth at each pixel, both `[b, h, w]`, and what `antialias` reuses.
        barycentrics: see `Fragments.barycentrics`.
        lambert: takes fragments, normals, colors, lights, ambient light and `two_sided`.
    """

    name: BackendName
    visible: Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor, object]]
    barycentrics: Callable[[Fragments], Tensor]
    interpolate: Callable[[Fragments, Tensor], Tensor]
    vertex_normals: Callable[[Tensor, Tensor], Tensor]
    lambert: Callable[[Fragments, Tensor, Tensor, Tensor, float | Tensor, bool], Tensor]
    antialias: Callable[[Tensor, Fragments], Tensor]


@dataclass(frozen=True)
class Fragments:
    """The nearest surface at the center of each pixel, and the geometry that it belongs to."""

    triangles: Int[Tensor, "b h w"]  # index of the face, -1 for background
    depth: Float[Tensor, "b h w"]  # z / w in [-1, 1], 1 for background; no gradient
    clip_vertices: Float[Tensor, "b p 4"]
    faces: Int[Tensor, "f 3"]
    backend: Backend = field(repr=False)
    saved: Any = field(default=None, repr=False)  # what the backend's `antialias` reuses

    @cached_property
    def barycentrics(self) -> Float[Tensor, "b h w 3"]:
        """Perspective-correct barycentric coordinates of each pixel's center, 0 for background.

        Differentiable in the clip-space vertices. Computed on first access.
        """
        return self.backend.barycentrics(self)
