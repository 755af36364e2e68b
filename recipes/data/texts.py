"""Texts without images: captions by grammar, glosses of WordNet, titles of Openclipart.

The captions are those of the pools, without drawing an image: names and keywords of pictograms,
shapes with colors and patterns, faces, meshes and solids. Glosses and titles teach a language model
the English around them.
"""

from __future__ import annotations

import json
import random as python_random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from recipes.alternatives import ALTERNATIVES
from recipes.data import colors, faces, groups, meshes, shapes, solids
from recipes.data.pictograms import EVERYDAY
from recipes.data.wordnet import WordNet

#: Titles and glosses are kept if they consist of these characters.
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ,'()-]*")
MOST_WORDS = 14
#: Broader nouns that captions use, from WordNet.
BROADER = frozenset(
    (
        "person", "child", "food", "animal", "plant", "fruit", "vegetable", "bird", "insect",
        "fish", "reptile", "rodent", "tree", "flower", "vehicle", "car", "truck", "boat",
        "aircraft", "building", "house", "clothing", "footwear", "hat", "instrument", "weapon",
        "tool", "toy", "game", "machine", "container", "furniture", "device", "computer",
        "telephone", "clock", "book", "document", "sign", "symbol", "shape", "number", "ball",
        "cake", "dessert", "beverage", "bread", "gem", "jewelry", "cutlery", "tableware",
        "seafood", "meat", "award", "decoration",
    )
)  # fmt: skip
SURFACES = ("golden", "silver", "wooden", "shiny black")
PATTERNS = ("striped", "dotted", "checkered")


@dataclass(frozen=True)
class Entry:
    """A subject of the memory: its name and broader words that are true of it."""

    name: str
    broader: tuple[str, ...] = ()


def pictograms(folder: Path) -> list[Entry]:
    """The names of all pictograms, with their keywords as broader words."""
    records = json.loads((folder / "captions.json").read_text())
    found: dict[str, tuple[str, ...]] = {}
    for record in records:
        words = [k.strip() for k in record["keywords"][1:]]
        words = [k for k in words if len(k) > 1 and not k.endswith("-square")]
        found.setdefault(record["name"], tuple(dict.fromkeys(words))[:8])
    return [Entry(name, broader) for name, broader in sorted(found.items())]


def memory(folder: Path, words: WordNet) -> list[Entry]:
    """The subjects that the embedded encoders know, with broader nouns by WordNet."""
    entries: dict[str, Entry] = {}
    for name, broader in (*_names(folder, words), *_shapes(), *_solids(), *_faces()):
        entries.setdefault(name, Entry(name, broader))
    return list(entries.values())


def _names(folder: Path, words: WordNet) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names of pictograms, and their everyday names."""
    known: dict[str, tuple[str, ...]] = {}
    for name in (entry.name for entry in pictograms(folder)):
        if name.endswith("skin tone"):  # a plain square
            continue
        clock = name.endswith(("o’clock", "thirty"))
        nouns = ["clock"] if clock else [w for w in words.broader(name) if w in BROADER]
        known[name] = tuple(nouns)
    yield from known.items()
    for name, ways in EVERYDAY.items():
        yield from ((way, known.get(name, ())) for way in ways)


def _shapes() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Flat shapes, with each color, pattern, and pair of colors."""
    for noun in shapes.SHAPES:
        yield from ((name, ("shape",)) for name in (noun, *_variants(noun)))


def _faces() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Faces of avatars, with each expression and color of hair; and the names of solids."""
    for names in solids.SOLIDS:
        yield from ((name, ()) for name in names)
    for mouth in faces.MOUTHS:
        for hair in faces.QUESTIONS["hair"][1]:
            for end in ("", " and glasses"):
                yield f"{mouth} face with {hair} hair{end}", ("face", "person")


def _solids() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Meshes and primitives with each color and material, and a broader noun."""
    for noun in (*meshes.FILES, *meshes.PRIMITIVES, *meshes.ALSO.values()):
        more = () if noun in meshes.FILES or noun == "monkey" else ("shape",)
        yield noun, more
        for word in (*colors.NAMES, *SURFACES):
            yield f"{word} {noun}", more


def _variants(noun: str) -> list[str]:
    """A shape with each color, pattern, and pair of colors."""
    pairs = [f"{one} and {other}" for one, other in combinations(colors.NAMES, 2)]
    return [f"{word} {noun}" for word in (*colors.NAMES, *PATTERNS, *pairs)]


def captions(folder: Path, random: python_random.Random, count: int) -> list[str]:
    """Captions of all pools, without article; each kind has its share."""
    entries = pictograms(folder)
    common = sorted({e.name for e in entries} & set(ALTERNATIVES))
    found = [e.name for e in entries] + [way for ways in EVERYDAY.values() for way in ways]
    while len(found) < count:
        kind = random.choices(("pictogram", "shape", "face", "mesh", "group"), (45, 25, 15, 10, 5))
        found.append(_caption(kind[0], entries, common, random))
    return list(dict.fromkeys(found))


def _caption(
    kind: str, entries: list[Entry], common: list[str], random: python_random.Random
) -> str:
    first, second = random.sample(colors.NAMES, 2)
    if kind == "shape":
        pattern = random.choice(("plain", "plain", "gradient", *PATTERNS))
        return random.choice(
            shapes.phrases(first, second, pattern, random.choice(list(shapes.SHAPES)))
        )
    if kind == "face":
        hair = random.choice(faces.QUESTIONS["hair"][1])
        face = {
            "hair": hair,
            "mouth": random.choice(list(faces.MOUTHS)),
            "glasses": random.choice((True, False)),
        }
        return random.choice(faces._captions(face))
    if kind == "mesh":
        noun = random.choice([*meshes.FILES, *meshes.PRIMITIVES, *meshes.ALSO.values()])
        if random.random() < 0.4:
            return f"{random.choice(SURFACES)} {noun}"
        return random.choice(shapes.phrases(first, second, random.choice(PATTERNS), noun))
    if kind == "group":
        one, other = random.sample(common, 2)
        count = random.choice(list(groups.COUNTS.values()))
        several = f"{count} {groups.plural(one)}" if one[-1] not in "se" else f"{one} and {other}"
        return random.choice((f"{one} and {other}", several))
    entry = random.choice(entries)
    choices = [entry.name, *EVERYDAY.get(entry.name, [])]
    if not set(entry.name.split()) & set(colors.NAMES):
        choices.append(f"{first} {entry.name}")
    if entry.broader:
        choices.append(random.choice(entry.broader))
    caption = random.choice(choices)
    article = "an" if second == "orange" else "a"
    return f"{caption} on {article} {second} background" if random.random() < 0.15 else caption


def glosses(folder: Path) -> list[str]:
    """Definitions and example sentences of WordNet's nouns and adjectives.

    `folder` holds `data.noun` and `data.adj`, as Debian's package wordnet-base installs them in
    /usr/share/wordnet.
    """
    found = []
    for part in ("noun", "adj"):
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):  # the license
                continue
            head, _, gloss = line.partition(" | ")
            word = head.split()[4].replace("_", " ")
            pieces = [piece.strip(' "') for piece in gloss.split(";")]
            texts = [f"{word}: {pieces[0]}" if part == "noun" else "", *pieces[1:]]
            found += [t for t in texts if t and _is_plain(t.replace(":", "", 1))]
    return found


def titles(folder: Path) -> list[str]:
    """Titles of Openclipart's drawings from the metadata of their SVG files."""
    found = set()
    for path in sorted(folder.rglob("*.svg")):
        with path.open("rb") as file:
            start = file.read(6000).decode("utf-8", "replace")
        match = re.search(r"<dc:title>([^<]{3,60})</dc:title>", start)
        if match is None or "publicdomain" not in start.lower():
            continue
        title = " ".join(re.sub(r"[_\d]+|- .*$|\bby .*$", " ", match[1]).split()).lower()
        if len(title) > 2 and _is_plain(title) and "clip" not in title:
            found.add(title)
    return sorted(found)


def _is_plain(text: str) -> bool:
    return PLAIN.fullmatch(text) is not None and len(text.split()) <= MOST_WORDS
