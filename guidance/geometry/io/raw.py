"""A mesh as a file gives it, before any repair."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

#: Half of single precision's seven digits are left to a shape that lies this many sizes away.
FAR = 1000.0


@dataclass
class RawMesh:
    """Arrays of a file, its parts put together; notes are for the user."""

    vertices: Float[np.ndarray, "p 3"]  # float64
    faces: Int[np.ndarray, "f 3"]
    colors: Float[np.ndarray, "p 3"] | None = None  # sRGB in [0, 1]
    notes: list[str] = field(default_factory=list)
    uv: Float[np.ndarray, "q 2"] | None = None  # v downwards, as in `guidance.types.Mesh`
    face_uv: Int[np.ndarray, "f 3"] | None = None


def far_origin(vertices: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "3"]:
    """Where a mesh lies that is so far from the origin that single precision spoils its shape.

    Maps and scans come in coordinates of millions. 0 for meshes nearer than `FAR` of their sizes.
    """
    low, high = vertices.min(0), vertices.max(0)
    center = (low + high) / 2
    is_far = bool(np.abs(center).max() > FAR * (high - low).max())
    return center if is_far else np.zeros(3)


def to_linear(srgb: Float[np.ndarray, "*k"]) -> Float[np.ndarray, "*k"]:
    """From sRGB in [0, 1] to linear light. Source: IEC 61966-2-1."""
    low = srgb / 12.92
    return np.where(srgb <= 0.04045, low, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Float[np.ndarray, "*k"]) -> Float[np.ndarray, "*k"]:
    """From linear light in [0, 1] to sRGB. Source: IEC 61966-2-1."""
    low = linear * 12.92
    return np.where(linear <= 0.0031308, low, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
