"""Avatar faces whose hair colour, glasses and expression are known, drawn by DiceBear.

`avatars.mjs` writes them as SVG (Node); resvg draws the pictures. Styles and designers:
avataaars (Pablo Stanley, free for personal and commercial use), personas (Draftbit, CC BY 4.0),
big-smile (Ashley Seo, CC BY 4.0), toon-head (Johan Melin, CC BY 4.0). DiceBear's code is MIT.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recipes.data.pool import SIDE, Pool, cached

UNSEEN = 400  # the last avatars are kept for evaluation
MOUTHS = {
    "smiling": ("smiling", "happy"),
    "sad": ("sad", "unhappy"),
    "serious": ("serious",),
    "surprised": ("surprised",),
}
# What is asked of a face, two ways to say each, and the answers.
QUESTIONS: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "hair": (
        ("face with {} hair", "person with {} hair"),
        ("red", "orange", "blond", "brown", "black", "gray", "white", "pink", "purple", "blue",
         "green"),
    ),
    "mouth": (("{} face", "{} person"), tuple(MOUTHS)),
    "glasses": (("face {} glasses", "person {} glasses"), ("with", "without")),
}  # fmt: skip


def make(avatars: Path) -> Pool:
    """Draws every line of `avatars.jsonl`."""
    import resvg_py

    pictures, captions = [], []
    for line in avatars.read_text().splitlines():
        avatar = json.loads(line)
        png = bytes(resvg_py.svg_to_bytes(svg_string=avatar["svg"], width=SIDE, height=SIDE))
        with Image.open(io.BytesIO(png)) as picture:
            pictures.append(np.asarray(picture.convert("RGBA")))
        captions.append(_captions(avatar))
    return Pool("faces", np.stack(pictures), captions)


def _captions(avatar: dict[str, Any]) -> list[str]:
    """The full description first, then parts of it in other words."""
    hair, glasses, mouth = f"{avatar['hair']} hair", avatar["glasses"], avatar["mouth"]
    other = MOUTHS[mouth][-1]
    found = [f"{mouth} face with {hair}{' and glasses' if glasses else ''}"]
    found += [f"face with {hair}", f"{other} person with {hair}", f"person with {hair}, {mouth}"]
    found += [f"{mouth} face", f"avatar of a {mouth} person", f"cartoon face with {hair}"]
    if glasses:
        found += [
            "face with glasses",
            f"person with {hair} wearing glasses",
            f"{other} face with glasses",
        ]
    elif glasses is False:
        found += ["face without glasses", f"person with {hair} without glasses"]
    return found


def cached_pool(data: Path, cache: Path) -> Pool:
    """All faces, drawn once from `data/avatars.jsonl`."""
    return cached("faces", cache, lambda: make(data / "avatars.jsonl"))


def attributes(pool: Pool) -> list[dict[str, Any]]:
    """Hair colour, glasses and expression of each face, read back from its captions."""
    found = []
    for captions in pool.captions:
        mouth, _, _, hair = captions[0].split()[:4]
        glasses = None
        if "face with glasses" in captions or "face without glasses" in captions:
            glasses = "face with glasses" in captions
        found.append({"hair": hair, "mouth": mouth, "glasses": glasses})
    return found


def answers(pool: Pool) -> np.ndarray:
    """Which answer to each of the `QUESTIONS` is right, `int64 [m, 3]`; -1 where unknown."""
    found = []
    for face in attributes(pool):
        said = face | {"glasses": {True: "with", False: "without", None: None}[face["glasses"]]}
        found.append(
            [
                choices.index(said[what]) if said[what] is not None else -1
                for what, (_, choices) in QUESTIONS.items()
            ]
        )
    return np.array(found)


def split(pool: Pool) -> tuple[Pool, Pool]:
    """The faces to train on, and those that training must not see."""
    order = np.arange(len(pool.captions))
    return pool.select(order[:-UNSEEN]), pool.select(order[-UNSEEN:])
