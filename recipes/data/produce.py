"""Fruit, vegetables and a mushroom as solids; each instance is slightly different."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recipes.data.parts import (
    BROWN,
    DARK_GREEN,
    GREEN,
    ORANGE,
    RED,
    WHITE,
    Part,
    Random,
    around,
    ball,
    joined,
    lathe,
    leaf,
    plain,
    rod,
    two,
)


def pineapple(random: Random) -> list[Part]:
    tall, wide = random.uniform(1.15, 1.5), random.uniform(0.75, 0.9)
    body = lathe((0, -tall), (0.75 * wide, -0.85 * tall), (wide, -0.1 * tall),
                 (0.72 * wide, 0.85 * tall), (0, tall))  # fmt: skip
    turns = int(random.integers(5, 8))

    def eyes(place: np.ndarray) -> np.ndarray:
        u, v = turns * around(place), 7.5 * place[:, 1] / wide
        return (np.abs(np.sin((u + v) / 2)) < 0.22) | (np.abs(np.sin((u - v) / 2)) < 0.22)

    skin = two(eyes, (238, 178, 45), (165, 100, 25), random)
    crown = [
        leaf((0, 0.9 * tall, 0), 2 * np.pi * (i + 0.5 * ring) / 7, lean, 1.15 - 0.1 * ring, 0.17)
        for ring, lean in enumerate((0.85, 0.5, 0.2))
        for i in range(7)
    ]
    return [Part(body, skin), Part(joined(crown), plain((55, 140, 60), random))]


def round_fruit(
    skin: tuple[int, int, int], *, dimple: float = 0.0, leafy: bool = True
) -> Callable[[Random], list[Part]]:
    """A ball, pulled in at the poles by `dimple`, with a stem and perhaps a leaf."""

    def build(random: Random) -> list[Part]:
        h = random.uniform(0.85, 1.0)
        body = lathe((0, -h + dimple / 2), (0.5, -h), (0.95, -0.3), (1.0, 0.25), (0.6, h),
                     (0.2, h - 0.1), (0, h - dimple))  # fmt: skip
        stem = rod((0, h - dimple, 0), (0.08, h + 0.3, 0), 0.05, 0.06)
        found = [Part(body, plain(skin, random)), Part(stem, plain(BROWN, random))]
        if leafy:
            angle = random.uniform(0, 6.28)
            found.append(Part(leaf((0, h + 0.1, 0), angle, 1.1, 0.7, 0.2), plain(GREEN, random)))
        return found

    return build


def pear(random: Random) -> list[Part]:
    body = lathe((0, -1), (0.6, -0.9), (0.85, -0.35), (0.45, 0.45), (0.33, 0.85), (0, 1))
    stem = rod((0, 0.95, 0), (0.1, 1.35, 0), 0.05, 0.05)
    return [Part(body, plain((185, 205, 60), random)), Part(stem, plain(BROWN, random))]


def citrus(skin: tuple[int, int, int], long: float) -> Callable[[Random], list[Part]]:
    def build(random: Random) -> list[Part]:
        body = lathe((0, -long), (0.5, -0.85), (0.98, -0.2), (0.98, 0.2), (0.5, 0.85), (0, long))
        tip = ball((0, long, 0), (0.1, 0.06, 0.1))
        return [Part(body, plain(skin, random)), Part(tip, plain(GREEN, random))]

    return build


def collar(height: float, spread: float, blades: int, random: Random) -> Part:
    """Green leaves lying on top of a fruit."""
    meshes = [
        leaf((0, height, 0), 2 * np.pi * i / blades, spread, 0.6, 0.17) for i in range(blades)
    ]
    meshes.append(rod((0, height, 0), (0, height + 0.35, 0), 0.05, 0.06))
    return Part(joined(meshes), plain(GREEN, random))


def strawberry(random: Random) -> list[Part]:
    body = lathe((0, -1.1), (0.3, -0.9), (0.8, 0.1), (0.75, 0.6), (0, 0.8))

    def seeds(place: np.ndarray) -> np.ndarray:
        row = np.round(place[:, 1] / 0.24)
        u, v = 8 * around(place) + np.pi * row, place[:, 1] / 0.24 - row
        return np.hypot(0.5 * np.sin(u / 2), v) < 0.2

    return [Part(body, two(seeds, (220, 35, 45), (250, 215, 120), random)),
            collar(0.75, 1.45, 7, random)]  # fmt: skip


def tomato(random: Random) -> list[Part]:
    body = lathe((0, -0.75), (0.6, -0.72), (1, 0), (0.7, 0.7), (0, 0.62))
    return [Part(body, plain((225, 50, 35), random)), collar(0.6, 1.5, 6, random)]


def eggplant(random: Random) -> list[Part]:
    body = lathe((0, -1.3), (0.55, -1.1), (0.7, -0.5), (0.42, 0.5), (0.3, 0.9), (0, 1))
    return [Part(body, plain((85, 40, 110), random)), collar(0.85, 2.2, 6, random)]


def watermelon(random: Random) -> list[Part]:
    long, stripes = random.uniform(1.0, 1.3), int(random.integers(5, 8))

    def dark(place: np.ndarray) -> np.ndarray:
        wave = 0.25 * np.sin(9 * place[:, 1])
        return np.cos(stripes * around(place) + 2 * wave) > 0.25

    skin = two(dark, (120, 190, 80), (25, 95, 45), random)
    return [Part(ball(radii=(0.9, long, 0.9)), skin)]


def pumpkin(random: Random) -> list[Part]:
    body = ball(radii=(1, 0.78, 1))
    ribs = 1 - 0.09 * np.abs(np.sin(5 * around(body.vertices)))
    body.vertices *= np.stack([ribs, np.ones_like(ribs), ribs], 1)
    groove = two(lambda p: np.abs(np.sin(5 * around(p))) > 0.93, ORANGE, (200, 100, 20), random)
    stem = rod((0, 0.7, 0), (0.15, 1.1, 0), 0.14, 0.1)
    return [Part(body, groove), Part(stem, plain(DARK_GREEN, random))]


def carrot(random: Random) -> list[Part]:
    body = lathe((0, -1.4), (0.15, -1.1), (0.45, 0.5), (0.3, 0.75), (0, 0.8))
    top = [leaf((0, 0.75, 0), 1.05 * i, 0.2 + 0.25 * (i % 2), 0.8, 0.12) for i in range(6)]
    return [Part(body, plain((240, 125, 30), random)), Part(joined(top), plain(GREEN, random))]


def banana(random: Random) -> list[Part]:
    body = ball(radii=(0.3, 1.25, 0.3))
    y = body.vertices[:, 1]
    body.vertices[:, 0] -= 0.45 * (1 - (y / 1.25) ** 2) - 0.2
    ends = two(lambda p: np.abs(p[:, 1]) > 1.12, (250, 215, 65), (100, 75, 35), random)
    return [Part(body, ends)]


def mushroom(random: Random) -> list[Part]:
    cap = lathe((0, 0.05), (0.5, 0), (1, 0.02), (0.85, 0.5), (0.4, 0.8), (0, 0.88))
    stalk = lathe((0, -0.9), (0.35, -0.88), (0.28, -0.3), (0.3, 0.1), (0, 0.15))

    def dots(place: np.ndarray) -> np.ndarray:
        row = np.round(place[:, 1] / 0.36)
        v = place[:, 1] - 0.36 * row
        gap = np.hypot(place[:, 0], place[:, 2]) * np.sin((5 * around(place) + 1.6 * row) / 2) / 2.5
        return (np.hypot(gap, v) < 0.14) & (place[:, 1] > 0.08)

    return [Part(cap, two(dots, RED, WHITE, random)), Part(stalk, plain((240, 228, 205), random))]
