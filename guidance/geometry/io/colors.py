"""Colors of mesh files, stored in many ranges and at vertices or faces, as sRGB in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
#: Numbers above this are taken for a range up to 255, if they are whole or larger than `FAR`.
ONE, FAR = 1.01, 16.0


def unit_colors(values: Array, notes: list[str], top: float | None = None) -> Array:
    """Colors in [0, 1]; those that are not numbers are white, with a note.

    Args:
        values: in any range, NaN where a vertex has no color.
        top: the value of full intensity, if the file tells; else it is guessed: 1, 255 or 65535.
    """
    values = np.array(values, dtype=np.float64)
    lost = ~np.isfinite(values).all(1)
    if top is None:
        top = _range(values[~lost])
    values = np.clip(values / top, 0, 1)
    values[lost] = 1
    if lost.any():
        notes.append(f"vertices without a valid color are white: {int(lost.sum()):,}")
    return values


def _range(values: Array) -> float:
    highest = float(values.max()) if values.size else 0.0
    whole = bool((values == values.round()).all())
    if highest <= ONE or not (whole or highest > FAR):
        return 1.0
    return 255.0 if highest <= 255 else 65535.0


def colors_of_faces(
    colors: Array, faces: Array, owner: Array, num_vertices: int, notes: list[str]
) -> Array:
    """The mean color of the faces around each vertex, white without faces.

    Args:
        colors: of the polygons, in [0, 1].
        faces: triangles.
        owner: the polygon of each triangle.
    """
    pairs = np.unique(np.stack([faces.reshape(-1), np.repeat(owner, 3)], 1), axis=0)
    vertex, polygon = pairs.T
    sums = np.stack([np.bincount(vertex, colors[polygon, i], num_vertices) for i in range(3)], 1)
    counts = np.bincount(vertex, minlength=num_vertices)[:, None]
    notes.append("the colors of faces became colors of vertices, the mean of the faces around each")
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
