"""Further drawings of the same concepts in other styles: icon packs from npm.

A pack is `packs/NAME.json`, the `icons.json` of `@iconify-json/NAME`: SVG bodies under slugs of
the concepts' names. Packs and licenses: twemoji (Twitter, CC BY 4.0), fluent-emoji and
fluent-emoji-flat (Microsoft, MIT), emojione (EmojiOne, CC BY 4.0).
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from recipes.data import pictograms
from recipes.data.pool import SIDE, Pool


def slug(name: str) -> str:
    """A concept's name as the packs write it: "Mrs. Claus" is "mrs-claus"."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[’']", "", name.lower())).strip("-")


def make(path: Path, known: Pool) -> Pool:
    """Every drawing of a pack whose concept is among the `known`, with that concept's captions."""
    import resvg_py

    pack = json.loads(path.read_text())
    named = {slug(captions[0]): captions for captions in known.captions}
    bodies = {key: icon["body"] for key, icon in pack["icons"].items()}
    bodies |= {
        key: bodies[alias["parent"]]
        for key, alias in pack.get("aliases", {}).items()
        if alias["parent"] in bodies
    }
    side = pack.get("width", 16), pack.get("height", 16)
    pictures, captions = [], []
    for key in sorted(bodies.keys() & named.keys()):
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" '
            f'xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {side[0]} {side[1]}">{bodies[key]}</svg>'
        )
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE))
        with Image.open(io.BytesIO(png)) as picture:
            pictures.append(np.asarray(picture.convert("RGBA")))
        captions.append(pictograms.recaptioned(named[key], pictures[-1]))
    return Pool("pictograms", np.stack(pictures), captions)
