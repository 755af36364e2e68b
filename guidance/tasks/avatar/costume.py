"""The colors that words name: those of clothes in a prompt, and of well-known costumes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from guidance.prompts import Prompt
from guidance.tasks.avatar.part_prompt import PartPrompt, parse_parts

Color = tuple[float, float, float]
FILE = Path(__file__).with_name("costumes.txt")
#: sRGB in 8 bits.
_HEX = {
    "white": "ececec", "black": "1c1c20", "gray": "84888e", "grey": "84888e", "red": "c8202a",
    "green": "2f8a3c", "blue": "2456b8", "yellow": "f0cc2a", "orange": "e8782a", "purple": "6a3a98",
    "violet": "7a48b0", "pink": "ee8cb4", "brown": "6e4a2e", "navy": "1e2a52", "teal": "2a8c88",
    "turquoise": "38b8b0", "cyan": "40c0d8", "gold": "d8a838", "golden": "d8a838",
    "silver": "aeb4bc", "beige": "dcccaa", "sand": "c4a468", "khaki": "a89a68", "olive": "5c6438",
    "maroon": "6e1c2c", "crimson": "b01030", "scarlet": "d82818", "magenta": "c030a0",
    "lime": "9cd030", "indigo": "3c3090", "ivory": "ece4d0", "skin": "ca9e84", "pale": "d8ccc8",
    "moss": "7c9468", "tan": "c8a478",
    "denim": "3c5a8c",
}  # fmt: skip
COLORS: dict[str, Color] = {
    name: (int(code[:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:], 16) / 255)
    for name, code in _HEX.items()
}


def color_named(text: str) -> Color | None:
    """The last color that a text names: "a dark red coat"."""
    words = re.findall(r"[a-z]+", text.casefold())
    for place in reversed(range(len(words))):
        if words[place] in COLORS:
            color = COLORS[words[place]]
            before = words[place - 1] if place else ""
            factor = {"dark": -0.5, "light": 0.5, "pale": 0.5}.get(before, 0.0)
            toward = 1.0 if factor > 0 else 0.0
            red, green, blue = (c + abs(factor) * (toward - c) for c in color)
            return red, green, blue
    return None


def start_colors(prompt: Prompt, clothes: Iterable[PartPrompt]) -> tuple[dict[str, Color], str]:
    """The color of each part that the words name, and the costume that was found, if any.

    A costume of costumes.txt comes first, then the colors of clothes, which replace it.
    """
    text = f" {' '.join(re.findall(r'[a-z]+', prompt.text.casefold()))} "
    found: dict[str, Color] = {}
    named = [name for name in costumes() if f" {name} " in text]
    name = max(named, key=len, default="")
    if name:
        found |= costumes()[name]
    for each in clothes:
        color = color_named(each.prompt.text)
        if color is not None:
            found |= dict.fromkeys(each.parts, color)
    return found, name


@lru_cache(maxsize=1)
def costumes() -> dict[str, dict[str, Color]]:
    """The colors of the parts for each name in costumes.txt."""
    found: dict[str, dict[str, Color]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        names, _, entries = line.partition(":")
        colors: dict[str, Color] = {}
        for entry in entries.split(";"):
            place, _, color = (each.strip() for each in entry.partition("="))
            parts, named = parse_parts(place, FILE.name), color_named(color)
            colors = {part: own for part, own in colors.items() if part not in parts}
            if named is not None:  # "body" leaves the colors of the body
                colors |= dict.fromkeys(parts, named)
        found |= {name.strip(): colors for name in names.split(",")}
    return found
