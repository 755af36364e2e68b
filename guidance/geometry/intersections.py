"""Which faces of a mesh run through one another, decided exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError

#: Pairs of faces whose boxes meet, tested at once, to bound memory.
AT_ONCE = 2_000_000


def intersecting_faces(
    vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]
) -> Bool[Tensor, "f"]:
    """Faces that another face runs through: those of `intersecting_pairs`."""
    hit = torch.zeros(len(faces), dtype=torch.bool)
    hit[intersecting_pairs(vertices, faces).flatten()] = True
    return hit


def intersecting_pairs(
    vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]
) -> Int[Tensor, "m 2"]:
    """Pairs of faces of which an edge of one runs through the other, each once.

    Faces that share an edge are no pair, since they meet there; those that share a vertex are, by
    the edges that do not end there. Faces that only touch, and those that lie in one plane, do not
    count.

    Candidates are pairs whose boxes meet, found by a sweep along the mesh's longest side. Signs of
    volumes decide, in float64 with a bound of its error; the few that it leaves open are computed
    again as fractions. So the answer is exact for the vertices as they are.

    Raises:
        InputError: vertices that are not finite; no numba.

    Source: the bound is that of Shewchuk 1997, Adaptive Precision Floating-Point Arithmetic and
    Fast Robust Geometric Predicates (orient3d, the A estimate).
    """
    boxes_that_meet, crossings = _kernels()
    places = np.ascontiguousarray(vertices.detach().cpu().double().numpy())
    corners = np.ascontiguousarray(faces.detach().cpu().long().numpy())
    if not np.isfinite(places).all():
        raise InputError("self-intersections: the mesh has vertices that are not finite")
    axis = int(np.argmax(np.ptp(places, axis=0)))
    order = np.argsort(places[corners, axis].min(1), kind="stable")
    corners = corners[order]  # so that the sweep walks through memory in one direction
    boxes = np.stack([places[corners].min(1), places[corners].max(1)])
    start, hits = 0, [np.zeros((0, 2), dtype=np.int64)]
    while start < len(corners):
        pairs, start = boxes_that_meet(boxes, axis, corners, (start, AT_ONCE))
        found = crossings(places, corners, pairs)  # 1 yes, 0 no, -1 open
        for index in np.flatnonzero(found == -1):
            one, other = pairs[index]
            found[index] = _cross(places, corners[one], corners[other])
        hits.append(order[pairs[found == 1]])
    return torch.from_numpy(np.concatenate(hits))


def _kernels() -> tuple[Any, Any]:
    """The compiled loops, imported when they are asked for, since numba may not be there."""
    try:
        from guidance.geometry.intersection_kernels import boxes_that_meet, crossings
    except ImportError as error:
        if error.name is None or not error.name.startswith("numba"):
            raise
        raise InputError(
            "self-intersections of meshes are found by numba, which cannot be imported here; "
            "`pip install numba` mends it"
        ) from None
    return boxes_that_meet, crossings


def _cross(places: Any, one: Any, other: Any) -> bool:
    """Whether an edge of either face runs through the other, in fractions."""
    points = {
        index: tuple(Fraction(float(value)) for value in places[index]) for index in (*one, *other)
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
    found: Fraction = ax * (by * cz - bz * cy) + bx * (cy * az - cz * ay) + cx * (ay * bz - az * by)
    return found
