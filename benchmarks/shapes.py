"""Procedural shapes for the quality benchmark, so that it needs no file."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from guidance.meshes import Mesh

AROUND, ALONG = 48, 32  # quads around the axis and along the profile
#: Radius at each height (y) of a profile that runs from 0, the bottom, to 1, the top.
Profile = Callable[[float], tuple[float, float]]


def revolve(profile: Profile) -> Mesh:
    """A closed surface of revolution around y; the profile's ends must lie on the axis."""
    ring = [2 * math.pi * i / AROUND for i in range(AROUND)]
    ends = [profile(0.0)[1], profile(1.0)[1]]
    vertices = [(0.0, ends[0], 0.0), (0.0, ends[1], 0.0)]
    for row in range(1, ALONG):
        radius, y = profile(row / ALONG)
        vertices += [(radius * math.sin(a), y, radius * math.cos(a)) for a in ring]
    faces = []
    for i in range(AROUND):
        j = (i + 1) % AROUND
        first, last = 2, 2 + (ALONG - 2) * AROUND
        faces += [(0, first + j, first + i), (1, last + i, last + j)]
        for row in range(ALONG - 2):
            low, high = first + row * AROUND, first + (row + 1) * AROUND
            faces += [(low + i, low + j, high + j), (low + i, high + j, high + i)]
    return Mesh(torch.tensor(vertices), torch.tensor(faces))


def torus(thickness: float = 0.42) -> Mesh:
    """A ring that lies flat, its hole along y."""
    vertices, faces = [], []
    for i in range(AROUND):
        a = 2 * math.pi * i / AROUND
        for k in range(ALONG):
            b = 2 * math.pi * k / ALONG
            radius = 1 + thickness * math.cos(b)
            vertices.append((radius * math.sin(a), thickness * math.sin(b), radius * math.cos(a)))
            ii, kk = (i + 1) % AROUND, (k + 1) % ALONG
            here, up = i * ALONG + k, i * ALONG + kk
            right, both = ii * ALONG + k, ii * ALONG + kk
            faces += [(here, right, both), (here, both, up)]
    return Mesh(torch.tensor(vertices), torch.tensor(faces))


def pear() -> Mesh:
    """A round bottom and a slim neck."""

    def profile(t: float) -> tuple[float, float]:
        angle = math.pi * t
        return math.sin(angle) * (0.72 - 0.30 * t + 0.12 * math.cos(2 * angle)), 2.4 * t - 1.2

    return revolve(profile)


def apple() -> Mesh:
    """A ball with a dent at the top and a smaller one below."""

    def profile(t: float) -> tuple[float, float]:
        angle = math.pi * t
        dent = 1 - 0.55 * math.exp(-(((1 - t) / 0.14) ** 2)) - 0.25 * math.exp(-((t / 0.12) ** 2))
        return math.sin(angle), -math.cos(angle) * 0.92 * dent

    return revolve(profile)


def mushroom() -> Mesh:
    """A cap on a stem."""

    def profile(t: float) -> tuple[float, float]:
        if t < 0.5:
            stem = min(1.0, t / 0.06) ** 0.5
            return 0.38 * stem, -1.0 + 1.9 * t
        angle = (t - 0.5) * 2
        return max(0.0, math.cos(angle * math.pi / 2)) ** 0.6 * (
            1.0 if angle > 0.12 else 0.38 + (angle / 0.12) * 0.62
        ), -0.05 + 0.9 * math.sin(angle * math.pi / 2)

    return revolve(profile)


SHAPES: dict[str, Callable[[], Mesh]] = {
    "torus": torus,
    "pear": pear,
    "apple": apple,
    "mushroom": mushroom,
}
