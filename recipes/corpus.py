"""All pools of a recipe as one source of training batches."""

from __future__ import annotations

import random as python_random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes import augment, captions
from recipes.alternatives import ALTERNATIVES
from recipes.data import (
    clipart,
    faces,
    groups,
    meshes,
    packs,
    people,
    pictograms,
    portrait_pool,
    shapes,
    solids,
)
from recipes.data.pool import Pool, cached

KOREAN_NAMES = 40  # in a batch
#: Strength of moving and scaling, 1 elsewhere: at a scale of 0.6 a mouth has three pixels, and its
#: expression cannot be recognized.
CALM = {"faces": 0.35, "portraits": 0.35, "people": 0.5}
#: Questions about faces and about people, and the pools whose images answer some of them.
QUESTIONS = {**faces.QUESTIONS, **people.QUESTIONS}
ANSWERS = {"faces": faces.answers, "portraits": portrait_pool.answers, "people": people.answers}
HIDDEN_SHARE = 0.15  # of the concepts drawn in several styles, one drawing is held out


@dataclass
class Batch:
    """`b` images with one caption each, and `e` more names that are captions of none or few."""

    images: Tensor  # float [b, 3, h, w] in [0, 1]
    texts: list[str]  # b + e, in templates
    opposites: list[str]  # b; "" where the caption has no contradiction
    positives: Tensor  # bool [b, b + e]: the text is true of the image
    concepts: Tensor  # int64 [b], which of all names is the image's; -1 for none
    extra: Tensor  # int64 [e], which of all names the extra texts are
    asked: list[str]  # every answer to every question, in the order of `QUESTIONS`
    answers: Tensor  # int64 [b, q], which answer is right; -1 for none
    korean: list[str]  # k names in Korean
    korean_numbers: Tensor  # int64 [k], which of all names these are


class Corpus:
    """Pools, the share of each in a batch, and the held-out drawings."""

    def __init__(
        self,
        data: Path,
        cache: Path,
        mix: dict[str, float],
        seed: int,
        *,
        styles: tuple[str, ...] = (),
        unseen_style: str = "",
    ) -> None:
        """`styles` are icon packs to train on; `unseen_style` is one to evaluate with only."""
        drawings, hands = pictograms.drawings(data / "emoji")
        hidden = pictograms.held_out(drawings, hands, HIDDEN_SHARE, seed)
        self.held_out = drawings.select(np.flatnonzero(hidden))
        self.names = sorted({c[0] for c in drawings.captions})
        self._number = {name: i for i, name in enumerate(self.names)}
        self.korean = pictograms.korean(self.names)

        def pack(name: str) -> Pool:
            path = data / "packs" / f"{name}.json"
            return cached(f"pictograms-{name}", cache, lambda: packs.make(path, drawings))

        self.unseen_style = pack(unseen_style) if unseen_style else None
        seen_faces, unseen_faces = faces.split(faces.cached_pool(data, cache))
        self.unseen_faces = faces.views(unseen_faces)
        seen_people, self.unseen_people = people.seen_and_unseen(cache)
        seen_clipart, self.unseen_clipart = clipart.seen_and_unseen(data, cache)
        visible = drawings.select(np.flatnonzero(~hidden))
        shown = pictograms.joined([visible, *map(pack, styles)])
        common = frozenset(ALTERNATIVES)
        makers = {
            "pictograms": lambda: shown,
            "recoloured": lambda: cached(
                f"recoloured-{seed}", cache, lambda: pictograms.recolored(shown, 3000, seed)
            ),
            "groups": lambda: cached(
                f"groups-{seed}", cache, lambda: groups.make(shown, common, 2500, seed)
            ),
            "shapes": lambda: cached("shapes", cache, lambda: shapes.make(4000, 1)),
            "faces": lambda: seen_faces,
            "portraits": lambda: portrait_pool.cached_pool(data, cache),
            "meshes": lambda: cached(
                f"meshes-{seed}", cache, lambda: meshes.make(data / "meshes", shown, 3600, seed)
            ),
            "solids": lambda: cached("solids", cache, lambda: solids.make(2720, 2)),
            "people": lambda: seen_people,
            "clipart": lambda: seen_clipart,
        }
        self.pools = [makers[kind]() for kind in mix]
        self._kinds = list(mix)
        self._share = np.array(list(mix.values())) / sum(mix.values())
        self._pictures = [torch.from_numpy(p.pictures).permute(0, 3, 1, 2) for p in self.pools]
        self._true = [[frozenset(c) for c in p.captions] for p in self.pools]
        self._answers = [
            _answers_of(kind, pool) if kind in ANSWERS else None
            for kind, pool in zip(self._kinds, self.pools, strict=True)
        ]

    def words(self) -> list[str]:
        """Every text that training can meet, for the vocabulary."""
        found = {c for pool in self.pools for each in pool.captions for c in each}
        found.update(self.names)
        found.update(template.replace("{a}", "an {}") for template in captions.TEMPLATES)
        found.update(word for group in captions.GROUPS for word in group)
        found.update(_answers_in_words(lambda forms: forms[0]))
        found.update(_answers_in_words(lambda forms: forms[1]))
        return [*found, *self.korean.values(), *meshes.WORDS, "on a background"]

    def draw(self, size: int, b: int, extra: int, seed: int, *, restyled: float = 0.0) -> Batch:
        """A batch that depends on the seed only; see `augment.restyle`."""
        random = python_random.Random(seed)
        chance = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        picked, stacked, said = self._pick(b, chance, random)
        strength = torch.tensor([CALM.get(self._kinds[s], 1.0) for s, _ in picked])
        images, behind = augment.compose(stacked, size, generator, restyled, strength)

        names = random.sample(self.names, extra)
        true = [self._true[s][i] for s, i in picked]
        positives = torch.tensor([[c in t for c in (*said, *names)] for t in true])
        opposites = [captions.contradict(c, random) or "" for c in said]
        with_background = _on(said, behind, 0.12, random)
        texts = [captions.phrase(c, random) for c in (*with_background, *names)]
        opposites = [captions.phrase(c, random) if c else "" for c in opposites]
        concepts = [
            self._number[self.pools[s].captions[i][0]] if self._kinds[s] == "pictograms" else -1
            for s, i in picked
        ]
        extra_numbers = torch.tensor([self._number[name] for name in names])
        nothing = np.full(len(QUESTIONS), -1)
        answers = [a[i] if (a := self._answers[s]) is not None else nothing for s, i in picked]
        spoken = random.sample(sorted(self.korean), KOREAN_NAMES)
        return Batch(
            images,
            texts,
            opposites,
            positives,
            torch.tensor(concepts),
            extra_numbers,
            _answers_in_words(random.choice),
            torch.from_numpy(np.stack(answers)),
            [self.korean[name] for name in spoken],
            torch.tensor([self._number[name] for name in spoken]),
        )

    def framed(
        self, size: int, b: int, seed: int, *, white: float = 0.6, strength: float = 0.25
    ) -> tuple[Tensor, list[str]]:
        """Images `[b, 3, size, size]` as a generator should draw them, with a caption each.

        `white` is the share on white, `strength` that of moving and scaling.
        """
        random = python_random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        _, stacked, said = self._pick(b, np.random.default_rng(seed), random)
        images, behind = augment.framed(stacked, size, generator, white, strength)
        return images, [captions.phrase(c, random) for c in _on(said, behind, 0.5, random)]

    def _pick(
        self, b: int, chance: np.random.Generator, random: python_random.Random
    ) -> tuple[list[tuple[int, int]], Tensor, list[str]]:
        """Which pool and image each is, the stored images, and one bare caption of each."""
        sources = chance.choice(len(self.pools), b, p=self._share)
        picked = [(int(s), int(chance.integers(len(self.pools[s].captions)))) for s in sources]
        stacked = torch.stack([self._pictures[s][i] for s, i in picked])
        return picked, stacked, [self._say(s, i, random) for s, i in picked]

    def _say(self, source: int, index: int, random: python_random.Random) -> str:
        """One caption of an image: its name in half of the cases, or any; of portraits, any."""
        choices = self.pools[source].captions[index]
        named = self._kinds[source] != "portraits" and random.random() < 0.5
        return choices[0] if named else random.choice(choices)


def _on(
    said: list[str], behind: list[str], share: float, random: python_random.Random
) -> list[str]:
    """The captions, a share of those on a plain color with "on a ... background"."""
    return [
        f"{c} on a {color} background" if color and random.random() < share else c
        for c, color in zip(said, behind, strict=True)
    ]


def _answers_of(kind: str, pool: Pool) -> np.ndarray:
    """Which answer to each of the `QUESTIONS` is right, `int64 [m, q]`; -1 for others."""
    found = np.full((len(pool.captions), len(QUESTIONS)), -1)
    own = ANSWERS[kind](pool)
    first = len(faces.QUESTIONS) if kind == "people" else 0
    found[:, first : first + own.shape[1]] = own
    return found


def _answers_in_words(choose: Callable[[tuple[str, str]], str]) -> list[str]:
    """All answers to all questions, each question put in one of its two ways."""
    return [choose(forms).format(word) for forms, words in QUESTIONS.values() for word in words]
