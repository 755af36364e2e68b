"""Flat shapes with a color and a pattern, drawn from their inequalities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recipes.data import colors
from recipes.data.pool import SIDE, Pool

Grid = tuple[np.ndarray, np.ndarray]


def _polygon(x: np.ndarray, y: np.ndarray, corners: int) -> np.ndarray:
    """Positive inside a regular polygon with one corner up."""
    angle = np.arctan2(x, -y) % (2 * np.pi / corners) - np.pi / corners
    return 0.8 * np.cos(np.pi / corners) - np.hypot(x, y) * np.cos(angle)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Positive inside a five-pointed star with one point up."""
    fold = np.abs((np.arctan2(x, -y) / (2 * np.pi / 5)) % 1 - 0.5) * 2
    return 0.36 + 0.54 * fold**1.6 - np.hypot(x, y)


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Positive inside a heart, from the sextic (x^2 + y^2 - 1)^3 = x^2 y^3."""
    x, y = 1.45 * x, -1.45 * y + 0.15
    return -((x**2 + y**2 - 1) ** 3 - x**2 * y**3)


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda x, y: 0.8 - np.hypot(x, y),
    "square": lambda x, y: 0.7 - np.maximum(np.abs(x), np.abs(y)),
    "rectangle": lambda x, y: np.minimum(0.85 - np.abs(x), 0.5 - np.abs(y)),
    "oval": lambda x, y: 0.85 - np.hypot(x, 1.6 * y),
    "triangle": lambda x, y: _polygon(x, y - 0.2, 3),
    "diamond": lambda x, y: 0.85 - (1.3 * np.abs(x) + np.abs(y)),
    "pentagon": lambda x, y: _polygon(x, y, 5),
    "hexagon": lambda x, y: _polygon(x, y, 6),
    "star": _star,
    "heart": _heart,
    "cross": lambda x, y: np.minimum(
        0.8 - np.maximum(np.abs(x), np.abs(y)), 0.26 - np.minimum(np.abs(x), np.abs(y))
    ),
    "ring": lambda x, y: 0.22 - np.abs(np.hypot(x, y) - 0.6),
    "crescent": lambda x, y: np.minimum(0.8 - np.hypot(x, y), np.hypot(x - 0.35, y + 0.1) - 0.62),
    "arch": lambda x, y: np.minimum(0.25 - np.abs(np.hypot(x, y - 0.4) - 0.7), 0.4 - y),
}
PATTERNS = ("plain", "striped", "dotted", "checkered", "gradient")


def pattern(kind: str, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How much of the second color shows, in [0, 1], at each place of the plane."""
    turn = random.uniform(0, np.pi)
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    pitch = random.uniform(7, 16)
    if kind == "striped":
        return (np.sin(pitch * u) > 0).astype(np.float32)
    if kind == "dotted":
        return (np.cos(pitch * u) + np.cos(pitch * v) > 0.9).astype(np.float32)
    if kind == "checkered":
        return (np.sin(pitch * u) * np.sin(pitch * v) > 0).astype(np.float32)
    if kind == "gradient":
        return np.clip(0.5 + 0.6 * u, 0, 1)
    return np.zeros_like(x)


def phrases(first: str, second: str, kind: str, noun: str) -> list[str]:
    """Ways to say a pattern of two colors on a noun; the fullest one first."""
    if kind == "plain":
        return [f"{first} {noun}", f"{noun} that is {first}", noun]
    if kind == "gradient":
        return [f"{noun} with a gradient from {first} to {second}", f"{first} and {second} {noun}"]
    each = {"striped": "stripes", "dotted": "dots", "checkered": "checks"}[kind]
    return [
        f"{first} and {second} {kind} {noun}",
        f"{first} {noun} with {second} {each}",
        f"{first} and {second} {noun}",
        f"{kind} {noun}",
    ]


def make(count: int, seed: int) -> Pool:
    """`count` shapes, every name and color as often as any other; half of them plain."""
    random = np.random.default_rng(seed)
    fine = 2 * SIDE
    axis = (np.arange(fine) + 0.5) / fine * 2 - 1
    x, y = np.meshgrid(axis.astype(np.float32), axis.astype(np.float32))
    pictures = np.empty((count, SIDE, SIDE, 4), np.uint8)
    captions = []
    for k in range(count):
        noun = str(random.choice(list(SHAPES)))
        kind = str(random.choice(PATTERNS, p=(0.5, 0.15, 0.13, 0.13, 0.09)))
        first, second = (str(c) for c in random.choice(colors.NAMES, 2, replace=False))
        inside = SHAPES[noun](x, y) > 0
        mix = pattern(kind, x, y, random)[..., None]
        rgb = (1 - mix) * colors.paint(first, random) + mix * colors.paint(second, random)
        rgba = np.concatenate([rgb, 255.0 * inside[..., None]], -1)
        if random.random() < 0.25:
            rim = inside & (SHAPES[noun](1.1 * x, 1.1 * y) < 0)
            rgba[rim, :3] *= 0.4
        pictures[k] = rgba.reshape(SIDE, 2, SIDE, 2, 4).mean((1, 3))
        captions.append(phrases(first, second, kind, noun))
    return Pool("shapes", pictures, captions)
