"""Several drawings in one image: counts ("three red apples") and pairs ("frog and key")."""

from __future__ import annotations

import numpy as np

from recipes.data.pool import SIDE, Pool

COUNTS = {2: "two", 3: "three", 4: "four"}
# Centers of n things in units of a side, and the share of a side that each takes.
PLACES: dict[int, tuple[tuple[tuple[float, float], ...], float]] = {
    2: (((0.26, 0.5), (0.74, 0.5)), 0.48),
    3: (((0.27, 0.28), (0.73, 0.28), (0.5, 0.74)), 0.46),
    4: (((0.26, 0.26), (0.74, 0.26), (0.26, 0.74), (0.74, 0.74)), 0.46),
}


def plural(noun: str) -> str:
    """English plurals by the regular endings only: "red apples", "two cherries"."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def countable(drawings: Pool, words: frozenset[str]) -> list[int]:
    """The drawings whose names are among these words and have a regular plural."""
    return [
        i
        for i, captions in enumerate(drawings.captions)
        if captions[0] in words
        and not captions[0].endswith(("s", "fish", "sheep", "fries", "bread", "pizza", "face"))
    ]


def make(drawings: Pool, words: frozenset[str], count: int, seed: int) -> Pool:
    """`count` images, two thirds of them counts, one third pairs."""
    random = np.random.default_rng(seed)
    usable = countable(drawings, words)
    pictures = np.zeros((count, SIDE, SIDE, 4), np.uint8)
    captions = []
    for k in range(count):
        pair = random.random() < 1 / 3
        n = 2 if pair else int(random.integers(2, 5))
        first, second = (int(usable[i]) for i in random.choice(len(usable), 2, replace=False))
        one, other = drawings.captions[first][0], drawings.captions[second][0]
        if pair and one != other:
            members = [first, second]
            captions.append([f"{one} and {other}", f"{other} and {one}"])
        else:
            members = [first] * n
            captions.append([f"{COUNTS[n]} {plural(one)}", f"{plural(one)}"])
        _lay_out(pictures[k], [drawings.pictures[m] for m in members], random)
    return Pool("groups", pictures, captions)


def _lay_out(canvas: np.ndarray, things: list[np.ndarray], random: np.random.Generator) -> None:
    """Draws the things side by side into an empty canvas, each a little off its place."""
    from PIL import Image

    centers, share = PLACES[len(things)]
    turned = random.random() < 0.3
    for (x, y), thing in zip(centers, things, strict=True):
        side = int(SIDE * share * random.uniform(0.85, 1.0))
        left, top = (
            int(np.clip(SIDE * c - side / 2 + random.normal(0, 2), 0, SIDE - side))
            for c in ((y, x) if turned else (x, y))
        )
        small = np.asarray(Image.fromarray(thing).resize((side, side), Image.Resampling.LANCZOS))
        place = canvas[top : top + side, left : left + side]
        place[:] = np.where(small[..., 3:] > place[..., 3:], small, place)
