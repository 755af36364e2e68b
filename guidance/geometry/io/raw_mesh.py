"""A mesh as it is stored in a file, before any repair."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from guidance.errors import InputError
from guidance.meshes import GivenMaterials

#: A mesh is far from the origin if its distance is more than this times its size: single precision
#: then leaves its shape only half of the seven digits.
FAR = 1000.0
#: Larger coordinates are not read: the square of an area would be infinite, and files hold float32.
MAX_COORDINATE = 1e30
DAMAGED = "the file is damaged, export it again"


@dataclass
class RawMesh:
    """The arrays of a file with all parts concatenated, and notes for the user."""

    vertices: Float[np.ndarray, "p 3"]  # float64
    faces: Int[np.ndarray, "f 3"]
    colors: Float[np.ndarray, "p 3"] | None = None  # sRGB in [0, 1]
    notes: list[str] = field(default_factory=list)
    uv: Float[np.ndarray, "q 2"] | None = None  # v downwards, as in `guidance.meshes.Mesh`
    face_uv: Int[np.ndarray, "f 3"] | None = None
    given: GivenMaterials | None = None
    face_material: Int[np.ndarray, "f"] | None = None


def far_origin(vertices: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "3"]:
    """The center of a mesh that is far from the origin, 0 for other meshes.

    The coordinates of maps and scans can be in the millions; in single precision, such a mesh loses
    its shape.
    """
    low, high = vertices.min(0), vertices.max(0)
    center = (low + high) / 2
    is_far = bool(np.abs(center).max() > FAR * (high - low).max())
    return center if is_far else np.zeros(3)


def check_points(vertices: Any, where: str) -> None:
    """Checks that vertices can be computed with.

    Raises:
        InputError: NaN, infinite or huge values.
    """
    finite = np.isfinite(vertices).all(1)
    if not finite.all():
        raise InputError(
            f"{where}: {int((~finite).sum()):,} vertices have NaN or infinite values; export the "
            "mesh again"
        )
    farthest = float(np.abs(vertices).max()) if vertices.size else 0.0
    if farthest > MAX_COORDINATE:
        raise InputError(
            f"{where}: has a coordinate of {farthest:.3g}, more than the limit of "
            f"{MAX_COORDINATE:g}; scale the mesh or export it again"
        )


def check_corners(corners: Any, num_vertices: int, where: str) -> None:
    """Checks that faces refer to vertices that exist.

    Raises:
        InputError: a vertex that is missing.
    """
    if not corners.size:
        return
    low, high = int(corners.min()), int(corners.max())
    if low < 0 or high >= num_vertices:
        raise InputError(
            f"{where}: a face refers to vertex {low if low < 0 else high}, but there are "
            f"{num_vertices:,} vertices; {DAMAGED}"
        )
