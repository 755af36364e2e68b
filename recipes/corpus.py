"""All pools of a recipe as one source of training batches."""

from __future__ import annotations

import random as python_random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes import augment, captions
from recipes.data import faces, meshes, pictograms, shapes
from recipes.data.pool import cached

HIDDEN_SHARE = 0.15  # of the concepts drawn in several styles, one drawing is held out


@dataclass
class Batch:
    """`b` pictures with one caption each, and `e` more names that are captions of none or few."""

    images: Tensor  # float [b, 3, h, w] in [0, 1]
    texts: list[str]  # b + e, in templates
    opposites: list[str]  # b; "" where the caption has no contradiction
    positives: Tensor  # bool [b, b + e]: the text is true of the picture
    concepts: Tensor  # int64 [b], which of all names is the picture's; -1 for none
    extra: Tensor  # int64 [e], which of all names the extra texts are


class Corpus:
    """Pools, the share of each in a batch, and the drawings that training must not see."""

    def __init__(self, data: Path, cache: Path, mix: dict[str, float], seed: int) -> None:
        drawings, styles = pictograms.drawings(data / "emoji")
        hidden = pictograms.held_out(drawings, styles, HIDDEN_SHARE, seed)
        self.held_out = drawings.select(np.flatnonzero(hidden))
        self.names = sorted({c[0] for c in drawings.captions})
        self._number = {name: i for i, name in enumerate(self.names)}
        shown = drawings.select(np.flatnonzero(~hidden))
        makers = {
            "pictograms": lambda: shown,
            "recoloured": lambda: pictograms.recoloured(shown, 1500, seed),
            "shapes": lambda: cached("shapes", cache, lambda: shapes.make(4000, 1)),
            "faces": lambda: faces.split(faces.cached_pool(data, cache))[0],
            "meshes": lambda: cached(
                f"meshes-{seed}", cache, lambda: meshes.make(data / "meshes", shown, 3600, seed)
            ),
        }
        self.pools = [makers[kind]() for kind in mix]
        self._share = np.array(list(mix.values())) / sum(mix.values())
        self._pictures = [torch.from_numpy(p.pictures).permute(0, 3, 1, 2) for p in self.pools]
        self._true = [[frozenset(c) for c in p.captions] for p in self.pools]

    def words(self) -> list[str]:
        """Every text that training can meet, for the vocabulary."""
        found = {c for pool in self.pools for each in pool.captions for c in each}
        found.update(self.names)
        found.update(template.replace("{a}", "an {}") for template in captions.TEMPLATES)
        found.update(word for group in captions.GROUPS for word in group)
        return [*found, *meshes.WORDS, "on a background"]

    def draw(self, size: int, b: int, extra: int, seed: int) -> Batch:
        """A batch that depends on the seed only."""
        random = python_random.Random(seed)
        chance = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        sources = chance.choice(len(self.pools), b, p=self._share)
        picked = [(s, int(chance.integers(len(self.pools[s].captions)))) for s in sources]
        stacked = torch.stack([self._pictures[s][i] for s, i in picked])
        images, behind = augment.compose(stacked, size, generator)

        said = [_choose(self.pools[s].captions[i], random) for s, i in picked]
        names = random.sample(self.names, extra)
        true = [self._true[s][i] for s, i in picked]
        positives = torch.tensor([[c in t for c in (*said, *names)] for t in true])
        opposites = [captions.contradict(c, random) or "" for c in said]
        with_background = [
            f"{c} on a {colour} background" if colour and random.random() < 0.12 else c
            for c, colour in zip(said, behind, strict=True)
        ]
        texts = [captions.phrase(c, random) for c in (*with_background, *names)]
        opposites = [captions.phrase(c, random) if c else "" for c in opposites]
        concepts = [
            self._number[self.pools[s].captions[i][0]] if self.pools[s].kind == "pictograms" else -1
            for s, i in picked
        ]
        extra_numbers = torch.tensor([self._number[name] for name in names])
        return Batch(images, texts, opposites, positives, torch.tensor(concepts), extra_numbers)


def _choose(choices: list[str], random: python_random.Random) -> str:
    """The name in half of the cases, or any of the captions."""
    return choices[0] if random.random() < 0.5 else random.choice(choices)
