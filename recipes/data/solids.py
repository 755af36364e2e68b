"""Everyday things as solids with a few colored parts, seen from all sides.

Pictograms show a pineapple from one side only. These are built from lathed outlines, balls and
cones, so that a model also learns the sides, the back and the top of such an object, which the
generation of meshes from prompts needs. Each instance varies in proportions and tints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes.data import produce, things
from recipes.data.meshes import Studio
from recipes.data.parts import ORANGE, RED, Part, Random, joined
from recipes.data.pool import SIDE, Pool

# The names that the pictograms have, where they have one; the first is the commonest.
SOLIDS: dict[tuple[str, ...], Callable[[Random], list[Part]]] = {
    ("pineapple",): produce.pineapple,
    ("red apple", "apple"): produce.round_fruit(RED, dimple=0.25),
    ("green apple", "apple"): produce.round_fruit((130, 195, 60), dimple=0.25),
    ("cherries", "cherry"): produce.round_fruit((175, 20, 45), dimple=0.1, leafy=False),
    ("peach",): produce.round_fruit((250, 170, 120), dimple=0.15),
    ("pear",): produce.pear,
    ("tangerine", "orange"): produce.citrus(ORANGE, 1.0),
    ("lemon",): produce.citrus((250, 225, 70), 1.3),
    ("strawberry",): produce.strawberry,
    ("tomato",): produce.tomato,
    ("eggplant",): produce.eggplant,
    ("watermelon", "whole watermelon"): produce.watermelon,
    ("pumpkin", "orange pumpkin"): produce.pumpkin,
    ("carrot",): produce.carrot,
    ("banana",): produce.banana,
    ("mushroom", "red mushroom with white dots"): produce.mushroom,
    ("evergreen tree", "fir tree"): things.evergreen_tree,
    ("deciduous tree", "green tree"): things.deciduous_tree,
    ("cactus",): things.cactus,
    ("snowman without snow", "snowman"): things.snowman,
    ("ice cream", "ice cream cone"): things.ice_cream,
    ("doughnut", "donut"): things.doughnut,
    ("rocket",): things.rocket,
    ("house",): things.house,
    ("bell", "golden bell"): things.bell,
    ("egg",): things.egg,
    ("basketball",): things.basketball,
    ("birthday cake", "cake"): things.cake,
    ("top hat", "black hat"): things.top_hat,
    ("wrapped gift", "present"): things.wrapped_gift,
    ("drum", "red drum"): things.drum,
    ("balloon",): things.balloon,
    ("potted plant", "plant in a pot"): things.potted_plant,
    ("hot beverage", "cup of coffee"): things.cup,
}


@dataclass
class Painted:
    """The colors of points on the parts of one object, for `Studio.draw`."""

    parts: list[Part]
    owner: np.ndarray  # [f], the number of each face's part
    center: np.ndarray  # of the thing before the studio moved it ...
    radius: float  # ... and scaled it

    def __call__(self, place: np.ndarray, face: np.ndarray) -> np.ndarray:
        own, found = place * self.radius + self.center, np.empty_like(place)
        for number, part in enumerate(self.parts):
            mine = self.owner[face] == number
            found[mine] = part.paint(own[mine])
        return found


def side(azimuth: float, elevation: float) -> str:
    """The text of a view from these angles in degrees, as `view_prompts` adds it to prompts."""
    if elevation > 50:
        return "overhead view"
    facing = abs((azimuth + 180) % 360 - 180)
    return "front view" if facing < 45 else "back view" if facing > 135 else "side view"


def make(count: int, seed: int) -> Pool:
    """`count` renders, each thing as often as any other, mostly seen a little from above."""
    random = np.random.default_rng(seed)
    studio = Studio()
    pictures, captions = np.empty((count, SIDE, SIDE, 4), np.uint8), []
    every = list(SOLIDS.items())
    for k in range(count):
        names, build = every[k % len(every)]
        parts = build(random)
        owner = np.repeat(np.arange(len(parts)), [len(part.mesh.faces) for part in parts])
        whole = joined([part.mesh for part in parts])
        vertices, faces = np.asarray(whole.vertices), np.asarray(whole.faces)
        center, radius = studio.add("solid", vertices, faces, merge=False)
        paint = Painted(parts, owner, center, radius)
        azimuth = random.uniform(0, 360)
        elevation = random.uniform(-15, 40) if random.random() < 0.85 else random.uniform(40, 85)
        gloss = (random.uniform(0, 0.25), random.uniform(8, 40))
        pictures[k] = studio.draw("solid", paint, gloss, random, (azimuth, elevation))
        seen = side(azimuth, elevation)
        said = [names[0], *(f"{name}, {seen}" for name in names), *names[1:]]
        captions.append([*said, *(f"3D {name}" for name in names)])
    return Pool("solids", pictures, captions)
