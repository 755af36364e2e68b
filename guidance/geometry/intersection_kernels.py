"""Compiled kernels that find and test pairs of faces for intersections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from guidance.compiled import compiled

#: Error bound of `_volume` in float64, relative to its permanent: (7 + 56 u) u with u = 2^-53.
BOUND = (7.0 + 56.0 * 2.0**-53) * 2.0**-53
#: A bound of the error of a sum of three products in float64, relative to their magnitudes.
FAR = 1e-14
Kernel = Callable[..., Any]


def _kernel(function: Kernel) -> Kernel:
    """Compiles a function on its first call; see `guidance.compiled`.

    Without fast math, since the error bounds hold only for the operations as written.
    """
    return compiled(function, nogil=True)


@_kernel
def overlapping_boxes(boxes, axis, corners, turn):  # type: ignore[no-untyped-def]
    """Pairs of faces with overlapping bounding boxes that share no edge.

    Args:
        boxes: lower and upper corners `[2, f, 3]`, sorted by the lower corner along the axis.
        turn: the first face, and the number of pairs after which to stop.

    Returns:
        The pairs `[m, 2]`, all pairs of a face together, and the face to continue with.
    """
    low, high = boxes[0], boxes[1]
    start, most = turn
    found = np.empty((1024, 2), np.int64)
    count = 0
    one = start
    while one < len(corners) and count < most:
        for other in range(one + 1, len(corners)):
            if low[other, axis] > high[one, axis]:
                break
            apart = False
            for k in range(3):
                if low[other, k] > high[one, k] or low[one, k] > high[other, k]:
                    apart = True
            if apart:
                continue
            shared = 0
            for i in range(3):
                for j in range(3):
                    if corners[one, i] == corners[other, j]:
                        shared += 1
            if shared > 1:
                continue
            if count == len(found):
                grown = np.empty((2 * count, 2), np.int64)
                grown[:count] = found
                found = grown
            found[count, 0] = one
            found[count, 1] = other
            count += 1
        one += 1
    return found[:count], one


@_kernel
def _volume(a, b, c, d):  # type: ignore[no-untyped-def]
    """The sign of the volume of a tetrahedron, 2 if rounding makes it uncertain."""
    ax, ay, az = a[0] - d[0], a[1] - d[1], a[2] - d[2]
    bx, by, bz = b[0] - d[0], b[1] - d[1], b[2] - d[2]
    cx, cy, cz = c[0] - d[0], c[1] - d[1], c[2] - d[2]
    one, two = bx * cy, cx * by
    three, four = cx * ay, ax * cy
    five, six = ax * by, bx * ay
    volume = az * (one - two) + bz * (three - four) + cz * (five - six)
    permanent = (
        (abs(one) + abs(two)) * abs(az)
        + (abs(three) + abs(four)) * abs(bz)
        + (abs(five) + abs(six)) * abs(cz)
    )
    if volume > BOUND * permanent:
        return 1
    if -volume > BOUND * permanent:
        return -1
    return 2


@_kernel
def _pierces(p, q, a, b, c):  # type: ignore[no-untyped-def]
    """Whether the edge p q passes through the face a b c: 1 yes, 0 no, -1 uncertain."""
    above, below = _volume(a, b, c, p), _volume(a, b, c, q)
    if above == below and above != 2:
        return 0
    one, two, three = _volume(p, q, a, b), _volume(p, q, b, c), _volume(p, q, c, a)
    left = one == 1 or two == 1 or three == 1
    right = one == -1 or two == -1 or three == -1
    if left and right:
        return 0
    if 2 in (above, below, one, two, three):
        return 0 if _apart(p, q, a, b, c) else -1
    return 1


@_kernel
def _apart(p, q, a, b, c):  # type: ignore[no-untyped-def]
    """Whether a plane certainly separates an edge from a face, as it does for most coplanar pairs.

    A direction along which their projections are farther apart than the rounding error is proof.
    """
    points = np.empty((5, 3))
    for i in range(3):
        points[0, i], points[1, i], points[2, i] = 0.0, b[i] - a[i], c[i] - a[i]
        points[3, i], points[4, i] = p[i] - a[i], q[i] - a[i]
    normal = np.cross(points[1], points[2])
    size = np.abs(points).max()
    for first, second in ((0, 1), (1, 2), (2, 0), (3, 4)):
        across = np.cross(normal, points[second] - points[first])
        at = points @ across
        margin = FAR * size * np.abs(across).sum()
        if min(at[3], at[4]) > max(at[0], at[1], at[2]) + margin:
            return True
        if max(at[3], at[4]) < min(at[0], at[1], at[2]) - margin:
            return True
    return False


@_kernel
def crossings(places, corners, pairs):  # type: ignore[no-untyped-def]
    """Whether an edge of either face of each pair passes through the other: 1, 0, -1 uncertain."""
    found = np.zeros(len(pairs), np.int8)
    for index in range(len(pairs)):
        for turn in range(2):
            mine, other = corners[pairs[index, turn]], corners[pairs[index, 1 - turn]]
            a, b, c = places[other[0]], places[other[1]], places[other[2]]
            for i in range(3):
                start, stop = mine[i], mine[(i + 1) % 3]
                at_start = start == other[0] or start == other[1] or start == other[2]
                at_stop = stop == other[0] or stop == other[1] or stop == other[2]
                if at_start or at_stop:
                    continue
                answer = _pierces(places[start], places[stop], a, b, c)
                if answer == 1 or (answer == -1 and found[index] == 0):
                    found[index] = answer
            if found[index] == 1:
                break
    return found
