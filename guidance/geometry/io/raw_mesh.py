"""A mesh as it is stored in a file, before any repair."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

#: A mesh is far from the origin if its distance is more than this times its size: single precision
#: then leaves its shape only half of the seven digits.
FAR = 1000.0


@dataclass
class RawMesh:
    """The arrays of a file with all parts concatenated, and notes for the user."""

    vertices: Float[np.ndarray, "p 3"]  # float64
    faces: Int[np.ndarray, "f 3"]
    colors: Float[np.ndarray, "p 3"] | None = None  # sRGB in [0, 1]
    notes: list[str] = field(default_factory=list)
    uv: Float[np.ndarray, "q 2"] | None = None  # v downwards, as in `guidance.meshes.Mesh`
    face_uv: Int[np.ndarray, "f 3"] | None = None


def far_origin(vertices: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "3"]:
    """The center of a mesh that is far from the origin, 0 for other meshes.

    The coordinates of maps and scans can be in the millions; in single precision, such a mesh loses
    its shape.
    """
    low, high = vertices.min(0), vertices.max(0)
    center = (low + high) / 2
    is_far = bool(np.abs(center).max() > FAR * (high - low).max())
    return center if is_far else np.zeros(3)
