"""A pool: images with transparent surroundings, and the captions of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIDE = 96  # pixels per side of every stored image


@dataclass
class Pool:
    """`m` RGBA images, `uint8 [m, 96, 96, 4]`, straight alpha, and their captions.

    `captions[i][0]` is the image's name: images of one name are the same concept. The other
    captions of an image are as true, but may be true of other images too. Captions stand
    without article or template, as in "red striped cube".
    """

    kind: str
    pictures: np.ndarray
    captions: list[list[str]]

    def save(self, path: Path) -> None:
        """Writes one npz file, by renaming, so that a file that exists is whole."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, images=self.pictures, captions=json.dumps(self.captions))
        partial.rename(path)

    def select(self, indices: np.ndarray) -> Pool:
        """The pool of these images only."""
        captions = [self.captions[i] for i in indices]
        return Pool(self.kind, self.pictures[indices], captions)


def cached(kind: str, folder: Path, make: Callable[[], Pool]) -> Pool:
    """Reads `folder/kind.npz`, making it first where it is missing."""
    path = folder / f"{kind}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make().save(path)
    stored = np.load(path)
    return Pool(kind, stored["images"], json.loads(str(stored["captions"])))
