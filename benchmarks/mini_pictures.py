"""Held-out pictures of the embedded models, with what is true of each.

Drawings in a style that is held out for their concept, drawings in a style that is held out
altogether, faces that training did not see, and new shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recipes.data import faces, packs, pictograms, shapes
from recipes.data.pool import Pool, cached
from recipes.mini_clip import RECIPE

KINDS = ("drawings", "faces", "shapes")
SHAPES_SEED = 7_000  # that of training is 1
SHARE = 0.15  # of concepts with a held-out drawing, as in recipes.corpus


@dataclass(frozen=True)
class Pictures:
    """Pictures over white, and the captions that are true of each; the first one is its name."""

    images: Float[Tensor, "b 3 h w"]
    captions: list[list[str]]

    def __len__(self) -> int:
        return len(self.captions)


def held_out(kind: str, count: int, data: Path, cache: Path, seed: int = 0) -> Pictures:
    """Held-out pictures of one kind, `count` at random.

    Args:
        kind: one of `KINDS`, or "style" for drawings by EmojiOne.
        data: the folder that `recipes/README.md` describes.
        cache: for the drawn pools.
    """
    pool = _pool(kind, data, cache)
    chosen = np.random.default_rng(seed).permutation(len(pool.captions))[:count]
    levels = torch.from_numpy(pool.pictures[chosen]).permute(0, 3, 1, 2).float() / 255
    return Pictures(
        levels[:, :3] * levels[:, 3:] + (1 - levels[:, 3:]), [pool.captions[i] for i in chosen]
    )


def _pool(kind: str, data: Path, cache: Path) -> Pool:
    if kind == "shapes":
        return shapes.make(300, SHAPES_SEED)
    if kind == "faces":
        return faces.split(faces.cached_pool(data, cache))[1]
    drawings, styles = pictograms.drawings(data / "emoji")
    if kind == "style":
        path = data / "packs" / f"{RECIPE.unseen_style}.json"
        return cached(
            f"pictograms-{RECIPE.unseen_style}", cache, lambda: packs.make(path, drawings)
        )
    hidden = pictograms.held_out(drawings, styles, SHARE, RECIPE.seed)
    return drawings.select(np.flatnonzero(hidden))
