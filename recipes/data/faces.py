"""Avatar faces whose hair color, glasses and expression are known, drawn by DiceBear.

`avatars.mjs` writes them as SVG (Node); resvg draws the images. Styles and designers:
avataaars (Pablo Stanley, free for personal and commercial use), personas (Draftbit, CC BY 4.0),
big-smile (Ashley Seo, CC BY 4.0), toon-head (Johan Melin, CC BY 4.0). DiceBear's code is MIT.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recipes.data.pool import SIDE, Pool, cached

UNSEEN = 400  # the last avatars are kept for evaluation
# What a close-up shows of each style: left, top and side, as shares of the whole drawing. The face
# fills it, some hair is left, and a mouth has ten pixels of 64 instead of six.
CLOSE = {
    "avataaars": (0.22, 0.15, 0.56),
    "bigSmile": (0.2, 0.2, 0.75),
    "personas": (0.22, 0.17, 0.56),
    "toonHead": (0.22, 0.25, 0.56),
}
MOUTHS = {
    "smiling": ("smiling", "happy"),
    "sad": ("sad", "unhappy"),
    "serious": ("serious",),
    "surprised": ("surprised",),
}
# The attributes of a face, two templates for each, and their values.
QUESTIONS: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "hair": (
        ("face with {} hair", "person with {} hair"),
        ("red", "orange", "blond", "brown", "black", "gray", "white", "pink", "purple", "blue",
         "green"),
    ),
    "mouth": (("{} face", "{} person"), tuple(MOUTHS)),
    "glasses": (("face {} glasses", "person {} glasses"), ("with", "without")),
    # What only portraits answer, see `recipes.data.portrait_pool`.
    "eyes": (("face with {} eyes", "person with {} eyes"), ("open", "closed")),
    "skin": (("person with {} skin", "face with {} skin"), ("light", "tan", "brown", "dark")),
    "length": (("person with {} hair", "face with {} hair"), ("short", "medium", "long")),
    "curls": (("person with {} hair", "face with {} hair"), ("straight", "curly")),
    "beard": (("person {} beard", "face {} beard"), ("with", "without")),
    "age": (("{} person", "{} face"), ("young", "old")),
    "shirt": (
        ("person in a {} shirt", "person with a {} shirt"),
        ("red", "yellow", "green", "blue", "purple", "pink", "black", "white"),
    ),
}  # fmt: skip


def make(avatars: Path) -> Pool:
    """Draws every line of `avatars.jsonl` twice: whole, and as a close-up right after it."""
    pictures, captions = [], []
    for line in avatars.read_text().splitlines():
        avatar = json.loads(line)
        pictures += [_drawn(avatar["svg"]), _drawn(_close(avatar["svg"], avatar["style"]))]
        captions += [_captions(avatar)] * 2
    return Pool("faces", np.stack(pictures), captions)


def _drawn(svg: str) -> np.ndarray:
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE))
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGBA"))


def _close(svg: str, style: str) -> str:
    """The drawing with its view box narrowed to the face."""
    left, top, side = CLOSE[style]
    found = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    assert found, f"{style}: a square view box at the origin, as DiceBear writes it"
    whole = int(found[1])
    box = f'viewBox="{left * whole} {top * whole} {side * whole} {side * whole}"'
    return svg.replace(found[0], box, 1)


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
    """All faces in both views, drawn once from `data/avatars.jsonl`."""
    return cached("faces-whole-close", cache, lambda: make(data / "avatars.jsonl"))


def attributes(pool: Pool) -> list[dict[str, Any]]:
    """Hair color, glasses and expression of each face, read back from its captions."""
    found = []
    for captions in pool.captions:
        mouth, _, _, hair = captions[0].split()[:4]
        glasses = None
        if "face with glasses" in captions or "face without glasses" in captions:
            glasses = "face with glasses" in captions
        found.append({"hair": hair, "mouth": mouth, "glasses": glasses})
    return found


def answers(pool: Pool) -> np.ndarray:
    """Which answer to each of the `QUESTIONS` is right, `int64 [m, q]`; -1 where unknown."""
    found = []
    for face in attributes(pool):
        said = face | {"glasses": {True: "with", False: "without", None: None}[face["glasses"]]}
        found.append(
            [
                choices.index(said[what]) if said.get(what) is not None else -1
                for what, (_, choices) in QUESTIONS.items()
            ]
        )
    return np.array(found)


def split(pool: Pool) -> tuple[Pool, Pool]:
    """The faces to train on, and those that training must not see, both views of each."""
    order = np.arange(len(pool.captions))
    return pool.select(order[: -2 * UNSEEN]), pool.select(order[-2 * UNSEEN :])


def views(pool: Pool) -> dict[str, Pool]:
    """The whole drawings and the close-ups of a pool, by these names."""
    order = np.arange(len(pool.captions))
    return {"whole": pool.select(order[::2]), "close": pool.select(order[1::2])}
