"""A cow of capsules and ellipsoids: front +z, up y, symmetric in x."""

from __future__ import annotations

import numpy as np

from recipes.assets.solid import Array, Solid, ellipsoid, mirrored, surface, tapered, turned, union


def parts() -> list[tuple[Solid, float]]:
    """Solids, each with the width of its blend into those before it."""
    skull = tapered([(0, 0.53, 0.62, 0.27), (0, 0.36, 0.90, 0.19)])
    muzzle = ellipsoid((0, 0.29, 1.02), (0.24, 0.17, 0.17))
    ear = turned(ellipsoid((0.44, 0.50, 0.56), (0.20, 0.115, 0.07)), (0.44, 0.50, 0.56), "z", -18)
    horn = tapered(
        [
            (0.14, 0.72, 0.60, 0.085),
            (0.33, 0.80, 0.60, 0.07),
            (0.43, 0.92, 0.62, 0.06),
            (0.44, 1.02, 0.65, 0.05),
        ]
    )
    eye = ellipsoid((0.19, 0.555, 0.82), (0.08, 0.10, 0.10))
    fore = tapered(
        [(0.22, -0.1, 0.22, 0.19), (0.24, -0.45, 0.25, 0.135), (0.24, -0.74, 0.25, 0.12)]
    )
    hind = tapered(
        [(0.22, 0.0, -0.60, 0.24), (0.25, -0.38, -0.62, 0.15), (0.25, -0.74, -0.64, 0.12)]
    )
    hoof = [mirrored(ellipsoid((0.24, -0.80, z), (0.155, 0.10, 0.165))) for z in (0.28, -0.62)]
    teat = [mirrored(ellipsoid((0.10, -0.57, z), (0.07, 0.11, 0.07))) for z in (-0.15, -0.31)]
    tail = tapered([(0, 0.34, -0.86, 0.08), (0, 0.26, -1.02, 0.065), (0, -0.25, -1.08, 0.055)])
    return [
        (ellipsoid((0, 0.02, -0.22), (0.45, 0.44, 0.74)), 0.1),
        (ellipsoid((0, 0.05, 0.20), (0.37, 0.41, 0.38)), 0.15),
        (ellipsoid((0, 0.10, -0.62), (0.40, 0.36, 0.34)), 0.15),
        (tapered([(0, 0.20, 0.28, 0.29), (0, 0.44, 0.60, 0.24)]), 0.2),
        (skull, 0.08),
        (muzzle, 0.07),
        (mirrored(fore), 0.1),
        (mirrored(hind), 0.1),
        *((solid, 0.04) for solid in hoof),
        (ellipsoid((0, -0.38, -0.24), (0.24, 0.23, 0.23)), 0.12),
        *((solid, 0.04) for solid in teat),
        (mirrored(horn), 0.04),
        (mirrored(ear), 0.05),
        (mirrored(eye), 0.02),
        (tail, 0.05),
        (ellipsoid((0, -0.38, -1.08), (0.10, 0.20, 0.10)), 0.05),
    ]


def cow(points: Array) -> Array:
    """Distances `[m]` of points `[m, 3]` to the cow, which is 2.4 long and 1.9 high."""
    whole = np.full(len(points), 10.0)
    for solid, blend in parts():
        whole = union(whole, solid(points), blend)
    nostril = mirrored(ellipsoid((0.11, 0.34, 1.17), (0.055, 0.05, 0.07)))
    return -union(-whole, nostril(points), 0.03)


def mesh() -> tuple[Array, Array]:
    """Vertices and triangles of the cow; cells are smaller where it is finer."""
    half = _planes((0, 0.75, 0.055))
    return surface(
        cow,
        (
            np.concatenate([-half[:0:-1], half]),
            _planes((-1.0, -0.35, 0.07), (-0.35, 0.2, 0.1), (0.2, 1.15, 0.05)),
            _planes((-1.3, -0.9, 0.07), (-0.9, 0.4, 0.09), (0.4, 1.4, 0.05)),
        ),
    )


def _planes(*ranges: tuple[float, float, float]) -> Array:
    """Places from the start to the stop of each range, spaced by its third number."""
    parts = [np.linspace(a, b, round((b - a) / step), endpoint=False) for a, b, step in ranges]
    return np.concatenate([*parts, [ranges[-1][1]]])
