"""Drawings of Openclipart (Debian's `openclipart-svg`, public domain) with titles and keywords.

`apt-get download openclipart-svg wordnet-base`, then `dpkg -x FILE FOLDER` for both.
"""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from recipes.data import colors
from recipes.data.pool import SIDE, Pool, cached

LARGEST = 400_000  # bytes of an SVG file
SEED, UNSEEN_SHARE = 5, 0.1  # of the titles
LEAST, MOST = 0.04, 0.999  # share of pixels that a drawing covers
TITLE = re.compile(r"<dc:title>([^<]{2,80})</dc:title>")
KEYWORD = re.compile(r"<rdf:li[^>]*>([^<]{2,40})</rdf:li>")
FOLDERS = (
    "logos", "buttons", "special", "computer", "signs_and_symbols", "geography", "unsorted",
    "recreation/games/cards",
)  # fmt: skip
#: Words that say nothing about what is drawn.
EMPTY_TEXT = """
clip art clipart image images icon icons picture drawing vector sign symbol cartoon color colour
line simple outline remix version silhouette set theme architetto gerald externalsource unsorted
office svg sheet draft new old other misc the and for with from by of hash action application part
element entertainment transport people map
"""
EMPTY = frozenset(EMPTY_TEXT.split())


def words(folder: Path) -> frozenset[str]:
    """Nouns and adjectives of WordNet that have one word."""
    found = set()
    for kind in ("noun", "adj"):
        for line in (folder / f"index.{kind}").read_text().splitlines():
            word = line.split(" ", 1)[0]
            if word.isalpha() and len(word) > 2:
                found.add(word)
    return frozenset(found)


def plain(text: str, known: frozenset[str]) -> str:
    """The words of a title that are known; empty if none or most are unknown."""
    text = html.unescape(text)
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    text = re.sub(r"\bby .*$|[_\d]+|[^A-Za-z]+", " ", text).lower()
    said = [word for word in text.split() if len(word) > 2]
    kept = [word for word in said if word in known and word not in EMPTY]
    unknown = [word for word in said if word not in known and word not in EMPTY]
    return " ".join(kept) if 0 < len(kept) <= 4 and len(unknown) < len(kept) else ""


def make(folder: Path) -> Pool:
    """All drawings with a plain title; the folder is that in which both packages are unpacked."""
    known = words(folder / "usr/share/wordnet")
    root = folder / "usr/share/openclipart/svg"
    files = [
        path
        for path in sorted(root.rglob("*.svg"))
        if path.stat().st_size < LARGEST and not str(path.relative_to(root)).startswith(FOLDERS)
    ]
    pictures, said = [], []
    for found in map(_read, files):
        if found is None:
            continue
        picture, title, keywords = found
        name = plain(title, known)
        others = [k for k in (plain(each, known) for each in keywords) if k and k != name]
        captions = [each for each in (name, *dict.fromkeys(others[:4])) if each]
        if not captions:
            continue
        color = colors.dominant(picture)
        if color and not any(word in captions[0].split() for word in colors.NAMES):
            captions.append(f"{color} {captions[0]}")
        pictures.append(picture)
        said.append(captions)
    return Pool("clipart", np.stack(pictures), said)


def _read(path: Path) -> tuple[np.ndarray, str, list[str]] | None:
    import resvg_py

    text = path.read_text(encoding="utf-8", errors="replace")
    title = TITLE.search(text)
    if title is None or "publicdomain" not in text.lower():
        return None
    try:
        png = bytes(resvg_py.svg_to_bytes(svg_string=text, width=2 * SIDE))
    except ValueError:  # resvg refuses the file
        return None
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGBA")
    box = image.getchannel("A").getbbox()
    if box is None:
        return None
    image = image.crop(box)
    image.thumbnail((SIDE - 4, SIDE - 4), Image.Resampling.LANCZOS, reducing_gap=None)
    whole = Image.new("RGBA", (SIDE, SIDE))
    whole.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    picture = np.asarray(whole)
    covered = (picture[..., 3] > 128).mean()
    return (picture, title[1], KEYWORD.findall(text)) if LEAST < covered < MOST else None


def seen_and_unseen(data: Path, cache: Path) -> tuple[Pool, Pool]:
    """The drawings to train on, and those of a tenth of the titles, for the evaluation."""
    pool = cached("clipart", cache, lambda: make(data / "clipart"))
    random = np.random.default_rng(SEED)
    titles = sorted({captions[0] for captions in pool.captions})
    hidden = set(random.permutation(titles)[: round(UNSEEN_SHARE * len(titles))])
    unseen = np.array([captions[0] in hidden for captions in pool.captions])
    return pool.select(np.flatnonzero(~unseen)), pool.select(np.flatnonzero(unseen))
