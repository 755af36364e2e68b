"""The portraits of the mini StyleGAN2 as a pool of captioned images, for training the mini CLIP.

Edits by words need an encoder that tells these attributes apart: an edit follows the difference of
two texts, and where the encoder sees none, there is nothing to follow. The first caption and those
about glasses have the form of `recipes.data.faces`, so that the questions of faces are asked of
portraits too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from recipes.data import faces
from recipes.data import portrait_factors as factors
from recipes.data.pool import SIDE, Pool, cached
from recipes.data.portraits import Portraits

COUNT, SEED, UNSEEN = 5000, 77, 500
INDEPENDENT = 0.6  # share of portraits with independent attributes
EXPRESSIONS = {
    "smile": "smiling", "grin": "smiling", "serious": "serious", "sad": "sad",
    "surprised": "surprised",
}  # fmt: skip
# What is said of each value, besides hair color, expression and glasses.
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "eyes": {
        "open": ("face with open eyes", "person with open eyes"),
        "closed": ("face with closed eyes", "person with closed eyes", "sleeping person"),
    },
    "skin": {
        "light": ("person with light skin", "light skin", "pale face"),
        "tan": ("person with tan skin", "tan skin"),
        "brown": ("person with brown skin", "brown skin"),
        "dark": ("person with dark skin", "dark skin"),
    },
    "age": {
        "young": ("young person", "young face"),
        "old": ("old person", "old face", "face with wrinkles"),
    },
    "beard": {
        "none": ("person without beard", "face without beard"),
        "beard": ("person with beard", "face with beard", "bearded person", "bearded man"),
    },
    "clothes": {
        "plain": ("plain shirt",),
        "round_neck": ("plain shirt",),
        "checkered": ("checkered shirt", "person in a checkered shirt"),
    },
    "mouth": {
        "grin": ("grinning face", "grinning person", "face with open mouth and teeth"),
        "surprised": ("face with open mouth",),
        "smile": ("face with closed mouth",),
        "serious": ("face with closed mouth",),
        "sad": ("face with closed mouth",),
    },
    "hair_style": {
        "combed": ("straight hair", "person with straight hair"),
        "curly_top": ("curly hair", "person with curly hair"),
        "sideburns": ("straight hair", "person with straight hair"),
        "bob": ("straight hair", "person with straight hair"),
        "curly": ("curly hair", "person with curly hair"),
        "pigtails": ("pigtails", "person with pigtails", "person with straight hair"),
        "long": ("straight hair", "person with straight hair"),
        "very_long": ("straight hair", "person with straight hair"),
    },
}


def make(parts: Path, count: int = COUNT, seed: int = SEED) -> Pool:
    """Draws portraits with everything that is true of each."""
    portraits = Portraits(parts)
    drawn = factors.sample(count, np.random.default_rng(seed), INDEPENDENT)
    pictures, captions = [], []
    for start in range(0, count, 250):
        some = {name: each[start : start + 250] for name, each in drawn.items()}
        images = portraits.images(some)
        larger = F.interpolate(images, (SIDE, SIDE), mode="bicubic", align_corners=False)
        pixels = (larger.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
        opaque = torch.full((*pixels.shape[:3], 1), 255, dtype=torch.uint8)
        pictures.append(torch.cat([pixels, opaque], 3).numpy())
    for index in range(count):
        captions.append(said({name: each[index] for name, each in drawn.items()}))
    return Pool("portraits", np.concatenate(pictures), captions)


def said(portrait: dict[str, np.ndarray]) -> list[str]:
    """The captions of one portrait: the full description first, as `recipes.data.faces` has it."""
    value = {name: factors.ATTRIBUTES[name][int(portrait[name])] for name in factors.NAMES}
    color, mouth = value["hair_color"], EXPRESSIONS[value["mouth"]]
    hair, glasses = f"{color} hair", value["glasses"] == "glasses"
    shirt = value["clothes_color"]
    length = factors.LENGTHS[int(factors.LENGTH_OF_STYLE[int(portrait["hair_style"])])]
    found = [f"{mouth} face with {hair}{' and glasses' if glasses else ''}"]
    found += [f"face with {'' if glasses else 'no '}glasses".replace("with no", "without")]
    found += [f"{mouth} face", f"{mouth} person", f"face with {hair}", f"person with {hair}"]
    found += [f"person with{'' if glasses else 'out'} glasses"]
    for attribute, words in WORDS.items():
        found += words[value[attribute]]
    found += [f"{length} hair", f"person with {length} hair", f"face with {length} hair"]
    found += [f"{shirt} shirt", f"person in a {shirt} shirt", f"person with {shirt} clothes"]
    # Two attributes at once, so that one does not stand for the other.
    found += [
        f"person with {value['skin']} skin and {hair}",
        f"person with {length} {color} hair",
        f"{value['age']} person with {hair}",
        f"{mouth} person with {value['eyes']} eyes",
        f"person with {hair} in a {shirt} shirt",
        f"person with {value['eyes']} eyes and {length} hair",
    ]
    return found


def answers(pool: Pool) -> np.ndarray:
    """Which answer to each of `faces.QUESTIONS` is right, `int64 [m, q]`, read from captions."""
    found = faces.answers(pool)
    for column, (what, (forms, values)) in enumerate(faces.QUESTIONS.items()):
        if what not in ("hair", "mouth", "glasses"):
            for row, captions in enumerate(pool.captions):
                true = [form.format(value) in captions for value in values for form in forms[:1]]
                found[row, column] = true.index(True)
    return found


def cached_pool(data: Path, cache: Path) -> Pool:
    """All portraits, drawn once from `data/portraits.json`."""
    return cached("portraits", cache, lambda: make(data / "portraits.json"))


def unseen_pool(data: Path, cache: Path) -> Pool:
    """Portraits for the evaluation."""
    return cached(
        "portraits-unseen", cache, lambda: make(data / "portraits.json", UNSEEN, SEED + 1)
    )
