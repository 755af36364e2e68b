"""Pictograms: 4,004 drawings of 1,663 concepts in three styles, and recolored copies.

The folder holds `captions.json` (file, style, name, keywords of each drawing) and the drawings,
96-pixel RGBA WebP: googlefonts/noto-emoji and C1710/blobmoji (Apache-2.0), mozilla/fxemoji
(CC BY 4.0); names from the `emoji` package, keywords from `emojilib` (MIT).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from recipes.data import colors
from recipes.data.pool import SIDE, Pool

# Everyday names of concepts whose Unicode names are unusual.
EVERYDAY = {
    "deciduous tree": ["green tree", "tree", "leafy tree"],
    "evergreen tree": ["pine tree", "fir tree"],
    "lady beetle": ["ladybug", "red ladybug", "ladybird"],
    "globe showing Europe-Africa": ["globe", "earth", "planet earth"],
    "globe showing Americas": ["globe", "earth", "planet earth"],
    "globe showing Asia-Australia": ["globe", "earth", "planet earth"],
    "slightly smiling face": ["smiling face", "yellow smiling face", "smiley"],
    "smiling face": ["yellow smiling face", "smiley"],
    "smiling face with smiling eyes": ["smiling face", "happy face"],
    "grinning face": ["smiling face", "happy face", "smiley"],
    "star": ["yellow star", "golden star"],
    "red apple": ["apple"],
    "green apple": ["apple"],
    "frog": ["frog face", "green frog"],
    "sun": ["yellow sun"],
    "sun with face": ["smiling sun"],
    "full moon": ["moon"],
    "automobile": ["red car", "car"],
    "shortcake": ["slice of cake", "cake"],
    "hot beverage": ["cup of coffee", "coffee cup"],
    "soccer ball": ["football"],
    "dog face": ["dog"],
    "cat face": ["cat"],
    "house": ["small house"],
    "rose": ["red rose"],
    "tulip": ["pink tulip"],
    "watermelon": ["slice of watermelon"],
    "pizza": ["slice of pizza"],
}


def drawings(folder: Path) -> tuple[Pool, list[str]]:
    """Every drawing with its captions, and each drawing's style."""
    records = json.loads((folder / "captions.json").read_text())
    pictures = np.empty((len(records), SIDE, SIDE, 4), np.uint8)
    captions = []
    for i, record in enumerate(records):
        with Image.open(folder / record["file"]) as picture:
            pictures[i] = np.asarray(picture.convert("RGBA").resize((SIDE, SIDE)))
        captions.append(_captions(record["name"], record["keywords"], pictures[i]))
    return Pool("pictograms", pictures, captions), [record["style"] for record in records]


def _captions(name: str, keywords: list[str], picture: np.ndarray) -> list[str]:
    """The name, then other true things: everyday names, color with name, keywords."""
    found = [name, *EVERYDAY.get(name, [])]
    color = colors.dominant(picture)
    if color and not any(word in name.split() for word in colors.NAMES):
        found.append(f"{color} {name}")
    useful = [k.strip() for k in keywords[1:] if k.strip().lower() != name.lower()]
    useful = [k for k in useful if len(k) > 1 and not k.endswith("-square")]
    found += [f"{name}, {k}" for k in useful[:4]] + useful
    return found


def korean(names: list[str]) -> dict[str, str]:
    """The Korean names of the concepts that have one, from the `emoji` package."""
    import emoji

    emoji.config.load_language("ko")
    found = {}
    for entry in emoji.EMOJI_DATA.values():
        english, other = (entry.get(key, "").strip(":").replace("_", " ") for key in ("en", "ko"))
        if other:
            found.setdefault(english, other)
    return {name: found[name] for name in names if name in found}


def recaptioned(captions: list[str], picture: np.ndarray) -> list[str]:
    """The captions of a concept for another drawing of it, whose color may differ."""
    name = captions[0]
    colored = {f"{color} {name}" for color in colors.NAMES}
    found = [caption for caption in captions if caption not in colored]
    color = colors.dominant(picture)
    if color and not any(word in name.split() for word in colors.NAMES):
        found.insert(1, f"{color} {name}")
    return found


def joined(pools: list[Pool]) -> Pool:
    """The drawings of several pools as one."""
    captions = [caption for pool in pools for caption in pool.captions]
    return Pool("pictograms", np.concatenate([pool.pictures for pool in pools]), captions)


def held_out(pool: Pool, styles: list[str], share: float, seed: int) -> np.ndarray:
    """The held-out drawings: one style of some concepts that have several.

    Returns `bool [m]`. `share` counts concepts among those drawn in two styles or more.
    """
    random = np.random.default_rng(seed)
    concepts: dict[str, list[int]] = {}
    for i, captions in enumerate(pool.captions):
        concepts.setdefault(captions[0], []).append(i)
    hidden = np.zeros(len(pool.captions), bool)
    for members in concepts.values():
        if len({styles[i] for i in members}) > 1 and random.random() < share:
            hidden[random.choice(members)] = True
    return hidden


def recolored(pool: Pool, count: int, seed: int) -> Pool:
    """Copies of drawings turned to another color, captioned with color and name.

    Only drawings of one saturated color are used: hue says little about the others.
    """
    random = np.random.default_rng(seed)
    sources = [
        (i, color)
        for i, captions in enumerate(pool.captions)
        if (color := colors.dominant(pool.pictures[i], 0.45)) in colors.HUES
        and "flag" not in captions[0]
    ]
    pictures = np.empty((count, SIDE, SIDE, 4), np.uint8)
    captions = []
    for k in range(count):
        i, color = sources[random.integers(len(sources))]
        target = str(random.choice([name for name in colors.HUES if name != color]))
        pictures[k] = colors.shift(pool.pictures[i], target, random)
        words = [w for w in pool.captions[i][0].split() if w not in colors.NAMES]
        if not words:
            words = ["shape"]
        captions.append([f"{target} {' '.join(words)}"])
    return Pool("recoloured", pictures, captions)
