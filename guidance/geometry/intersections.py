"""Self-intersections of meshes, decided exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError

#: Candidate pairs that are tested at once, to bound the memory.
AT_ONCE = 2_000_000


def intersecting_faces(
    vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]
) -> Bool[Tensor, "f"]:
    """Whether each face is in one of the `intersecting_pairs`."""
    hit = torch.zeros(len(faces), dtype=torch.bool)
    hit[intersecting_pairs(vertices, faces).flatten()] = True
    return hit


def intersecting_pairs(
    vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]
) -> Int[Tensor, "m 2"]:
    """Pairs of faces of which an edge of one passes through the other, each pair once.

    Faces that share an edge are never a pair. Faces that share a vertex are tested by the edges
    that do not end there. Faces that only touch, and coplanar faces, do not count.

    Candidates are pairs with overlapping bounding boxes, found by a sweep along the longest side of
    the mesh. They are decided by signs of volumes in float64 with an error bound. The few uncertain
    ones are computed again with fractions, so the result is exact for the given vertices.

    Raises:
        InputError: vertices are not finite, or numba is not installed.

    Source: Shewchuk 1997, Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
    Predicates, for the error bound (orient3d, the A estimate).
    """
    overlapping_boxes, crossings = _kernels()
    positions = np.ascontiguousarray(vertices.detach().cpu().double().numpy())
    corners = np.ascontiguousarray(faces.detach().cpu().long().numpy())
    if not np.isfinite(positions).all():
        raise InputError(
            "self-intersections: the mesh has vertices with NaN or infinite values; repair it first"
        )
    axis = int(np.argmax(np.ptp(positions, axis=0)))
    order = np.argsort(positions[corners, axis].min(1), kind="stable")
    corners = corners[order]  # so that the sweep accesses memory in one direction
    boxes = np.stack([positions[corners].min(1), positions[corners].max(1)])
    start, hits = 0, [np.zeros((0, 2), dtype=np.int64)]
    while start < len(corners):
        pairs, start = overlapping_boxes(boxes, axis, corners, (start, AT_ONCE))
        crossing = crossings(positions, corners, pairs)  # 1 yes, 0 no, -1 uncertain
        for index in np.flatnonzero(crossing == -1):
            one, other = pairs[index]
            crossing[index] = _cross(positions, corners[one], corners[other])
        hits.append(order[pairs[crossing == 1]])
    return torch.from_numpy(np.concatenate(hits))


def _kernels() -> tuple[Any, Any]:
    """The compiled kernels, imported on demand, since numba may be missing."""
    try:
        from guidance.geometry.intersection_kernels import crossings, overlapping_boxes
    except ImportError as error:
        if error.name is None or not error.name.startswith("numba"):
            raise
        raise InputError(
            "self-intersections of meshes are found by numba, which cannot be imported; run "
            "`pip install numba`"
        ) from None
    return overlapping_boxes, crossings


def _cross(positions: Any, one: Any, other: Any) -> bool:
    """Whether an edge of either face passes through the other, computed with fractions."""
    points = {
        index: tuple(Fraction(float(value)) for value in positions[index])
        for index in (*one, *other)
    }
    return any(
        _pierces(points, edge, face)
        for mine, face in ((one, other), (other, one))
        for edge in ((mine[0], mine[1]), (mine[1], mine[2]), (mine[2], mine[0]))
        if not set(edge) & set(face)
    )


def _pierces(points: dict[Any, Any], edge: tuple[Any, Any], face: Any) -> bool:
    p, q = (points[index] for index in edge)
    a, b, c = (points[index] for index in face)
    above, below = _volume(a, b, c, p), _volume(a, b, c, q)
    if not (above > 0 > below or above < 0 < below):
        return False
    sides = [_volume(p, q, a, b), _volume(p, q, b, c), _volume(p, q, c, a)]
    return all(side >= 0 for side in sides) or all(side <= 0 for side in sides)


def _volume(a: Any, b: Any, c: Any, d: Any) -> Fraction:
    """Six times the signed volume of a tetrahedron."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (
        tuple(x - y for x, y in zip(point, d, strict=True)) for point in (a, b, c)
    )
    volume: Fraction = (
        ax * (by * cz - bz * cy) + bx * (cy * az - cz * ay) + cx * (ay * bz - az * by)
    )
    return volume
