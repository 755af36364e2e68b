"""A canvas of layers: each a coverage and a color, drawn from functions of the place."""

from __future__ import annotations

from copy import copy

import numpy as np

Array = np.ndarray
#: Samples along each side of a pixel.
FINE = 3


class Canvas:
    """An image of floats in [0, 1], three times finer than what it gives.

    Places are in units of the height, from the top left: `x` to the right, `y` downwards.
    """

    def __init__(self, width: int, height: int, color: str = "#ffffff") -> None:
        rows, columns = np.mgrid[0 : height * FINE, 0 : width * FINE] + 0.5
        self.x, self.y = columns / (height * FINE), rows / (height * FINE)
        self.pixel = 1 / height
        self.pixels = np.broadcast_to(rgb(color), (*self.x.shape, 3)).copy()

    def paint(self, coverage: Array, color: Array | str) -> None:
        """Blends a color `[3]` or colors `[h, w, 3]` in where `coverage [h, w]` is above 0."""
        colors = rgb(color) if isinstance(color, str) else color
        self.pixels += np.clip(coverage, 0, 1)[..., None] * (colors - self.pixels)

    def inside(self, distance: Array, soft: float = 0.0) -> Array:
        """Coverage of where a distance is negative, with an edge of `soft` units of the height."""
        return np.clip(0.5 - distance / max(soft, self.pixel / FINE), 0, 1)

    def disc(self, x: float, y: float, radius: float, squash: float = 1.0) -> Array:
        """Distances to a disc, or to an ellipse whose height is `squash` times its width."""
        return np.hypot(self.x - x, (self.y - y) / squash) - radius

    def polygon(self, *corners: tuple[float, float]) -> Array:
        """Distances to a convex polygon, whose corners are given clockwise as seen."""
        distances = []
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
            length = np.hypot(bx - ax, by - ay)
            distances.append(((self.x - ax) * (by - ay) - (self.y - ay) * (bx - ax)) / length)
        return np.max(distances, axis=0)

    def turned(self, x: float, y: float, degrees: float) -> Canvas:
        """The same pixels, with places counted from a point and turned clockwise around it."""
        angle, found = np.radians(degrees), copy(self)
        u, v = self.x - x, self.y - y
        found.x, found.y = (
            u * np.cos(angle) + v * np.sin(angle),
            v * np.cos(angle) - u * np.sin(angle),
        )
        return found

    def levels(self) -> Array:
        """The image `uint8 [h, w, 3]`."""
        height, width = self.x.shape
        blocks = self.pixels.reshape(height // FINE, FINE, width // FINE, FINE, 3)
        return np.round(255 * blocks.mean((1, 3)).clip(0, 1)).astype(np.uint8)


def rgb(code: str) -> Array:
    """The color of a code such as "#ff8800", in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def mixed(first: str | Array, second: str | Array, share: Array) -> Array:
    """Colors `[h, w, 3]` between two, by a share `[h, w]` of the second."""
    a, b = (rgb(c) if isinstance(c, str) else c for c in (first, second))
    return a + np.clip(share, 0, 1)[..., None] * (b - a)


def noise(x: Array, y: Array, octaves: int = 4, seed: int = 0) -> Array:
    """Smooth noise of mean 0 and about -1 to 1, with a first octave of one cell a unit.

    Source: Perlin, "Improving Noise" (2002), here of values in place of gradients.
    """
    table = np.random.default_rng(seed).uniform(-1, 1, (64, 64))
    total = np.zeros(np.broadcast(x, y).shape)
    for octave in range(octaves):
        u, v = x * 2**octave + 17.3 * octave, y * 2**octave + 5.7 * octave
        i, j = np.floor(u).astype(int), np.floor(v).astype(int)
        s, t = (p * p * p * (p * (6 * p - 15) + 10) for p in (u - i, v - j))
        corners = [table[(j + b) % 64, (i + a) % 64] for b in (0, 1) for a in (0, 1)]
        upper = corners[0] + s * (corners[1] - corners[0])
        lower = corners[2] + s * (corners[3] - corners[2])
        total += (upper + t * (lower - upper)) / 2**octave
    return total
