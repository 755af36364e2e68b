"""Files with vectors that need no encoder, and small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from guidance.search.items import IMAGE, VIDEO, Embedded, Item
from guidance.search.manifest import EncoderId
from guidance.search.store import Store

DIMENSION = 8
ENCODER = EncoderId("stand-in", "0" * 64)
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "black", "gray")


def unit(count: int, seed: int = 0, dimension: int = DIMENSION) -> np.ndarray:
    """Random unit vectors in half precision."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def image(number: int) -> Embedded:
    """An image that exists only in an index."""
    item = Item(number, f"/pictures/{number}.png", IMAGE, 10, 20, f"{number:064x}")
    return Embedded(item, unit(1, number), np.zeros((1, 2), np.float32))


def video(number: int, vectors: np.ndarray) -> Embedded:
    """A video with scenes of one second."""
    item = Item(number, f"/videos/{number}.mp4", VIDEO, 10, 20, f"{number:064x}")
    starts = np.arange(len(vectors), dtype=np.float32)
    return Embedded(item, vectors, np.stack([starts, starts + 1], 1))


def store(folder: Path, count: int = 0) -> Store:
    """An index of so many images."""
    made = Store.create(folder, ENCODER, DIMENSION)
    return made.changed([image(number) for number in range(1, count + 1)]) if count else made


def ids(made: Store) -> list[int]:
    """The ids of the files of an index, in order."""
    return sorted(item.id for item in made.items())


def draw(folder: Path, side: int = 64) -> list[Path]:
    """Pictures of discs and squares of all colors, on white or on yellow."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, color in enumerate(COLORS):
        rows, columns = np.mgrid[:side, :side] / (side / 2) - 1
        inside = np.hypot(rows, columns) < 0.7 if index % 2 else abs(rows) + abs(columns) < 0.8
        ground = Image.new("RGB", (side, side), "white" if index % 3 else "khaki")
        mask = Image.fromarray((255 * inside).astype(np.uint8))
        ground.paste(Image.new("RGB", (side, side), color), mask=mask)
        ground.save(folder / f"{color}.png")
        paths.append(folder / f"{color}.png")
    return paths
