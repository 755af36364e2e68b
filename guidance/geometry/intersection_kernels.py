"""Compiled loops over pairs of faces."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

#: Error of `_volume` in float64, as a share of its permanent: (7 + 56 u) u with u = 2^-53.
BOUND = (7.0 + 56.0 * 2.0**-53) * 2.0**-53
#: Above any error of a sum of three products in float64, as a share of their sizes.
FAR = 1e-14
Kernel = Callable[..., Any]


def _kernel(function: Kernel) -> Kernel:
    """Compiled on its first call, and kept on disk where that can be written.

    No fast math: the bound of the error holds for operations as they are written.
    """
    plain = inspect.unwrap(function)
    try:
        return numba.njit(cache=True, nogil=True)(plain)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return numba.njit(nogil=True)(plain)


@_kernel
def boxes_that_meet(boxes, axis, corners, turn):  # type: ignore[no-untyped-def]
    """Pairs of faces whose boxes meet and that share no edge.

    Args:
        boxes: lower and upper corners, `[2, f, 3]`, in the order of where they begin on the axis.
        turn: a face to start from, and about how many pairs to find.

    Returns:
        `[m, 2]`, those of one face together, and the face to go on from.
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
    """The sign of six times a tetrahedron's volume; 2 where rounding may have turned it."""
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
    """Whether the edge p q runs through the face a b c: 1 yes, 0 no, -1 open."""
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
    """Whether a plane parts an edge and a face for certain, as most do that lie in one plane.

    Any direction across which their shadows are farther apart than rounding can tell is proof.
    """
    points = np.empty((5, 3))
    for i in range(3):
        points[0, i], points[1, i], points[2, i] = 0.0, b[i] - a[i], c[i] - a[i]
        points[3, i], points[4, i] = p[i] - a[i], q[i] - a[i]
    normal = np.cross(points[1], points[2])
    size = np.abs(points).max()
    for first, second in ((0, 1), (1, 2), (2, 0), (3, 4)):
        across = np.cross(normal, points[second] - points[first])
        shadow = points @ across
        margin = FAR * size * np.abs(across).sum()
        if min(shadow[3], shadow[4]) > max(shadow[0], shadow[1], shadow[2]) + margin:
            return True
        if max(shadow[3], shadow[4]) < min(shadow[0], shadow[1], shadow[2]) - margin:
            return True
    return False


@_kernel
def crossings(places, corners, pairs):  # type: ignore[no-untyped-def]
    """For each pair of faces, whether an edge of either runs through the other: 1, 0, -1 open."""
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
