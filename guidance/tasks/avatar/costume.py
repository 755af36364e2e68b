"""What words put on at the start of a run: colors, well-known costumes, and pieces of clothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from guidance.generators.mesh.param.body_marks import MARKS
from guidance.generators.mesh.param.outfit import Color, Outfit
from guidance.prompts import Prompt
from guidance.tasks.avatar.part_prompt import PartPrompt, parse_parts

COSTUMES = Path(__file__).with_name("costumes.txt")
GARMENTS = Path(__file__).with_name("garments.txt")
#: sRGB in 8 bits.
_HEX = {
    "white": "ececec", "black": "1c1c20", "gray": "84888e", "grey": "84888e", "red": "c8202a",
    "green": "2f8a3c", "blue": "2456b8", "yellow": "f0cc2a", "orange": "e8782a", "purple": "6a3a98",
    "violet": "7a48b0", "pink": "ee8cb4", "brown": "6e4a2e", "navy": "1e2a52", "teal": "2a8c88",
    "turquoise": "38b8b0", "cyan": "40c0d8", "gold": "d8a838", "golden": "d8a838",
    "silver": "aeb4bc", "beige": "dcccaa", "sand": "c4a468", "khaki": "a89a68", "olive": "5c6438",
    "maroon": "6e1c2c", "crimson": "b01030", "scarlet": "d82818", "magenta": "c030a0",
    "lime": "9cd030", "indigo": "3c3090", "ivory": "ece4d0", "skin": "ca9e84", "pale": "d8ccc8",
    "moss": "7c9468", "tan": "c8a478", "denim": "3c5a8c", "sky": "7cc0f0",
}  # fmt: skip
COLORS: dict[str, Color] = {
    name: (int(code[:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:], 16) / 255)
    for name, code in _HEX.items()
}
#: "dark" and "light" colors are this much nearer to black and white.
_SHADES = {"dark": -0.5, "light": 0.5, "pale": 0.5}
#: The name of several parts that only the tables use.
_CLOTHED = ("clothed", "torso+hips+arms+legs")


@dataclass(frozen=True)
class Garment:
    """What a piece of clothing looks like besides its color."""

    shapes: tuple[str, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()  # details and their colors, or shades of the piece


def color_named(text: str) -> Color | None:
    """The last color that a text names: "a dark red coat"."""
    words = re.findall(r"[a-z]+", text.casefold())
    for place in reversed(range(len(words))):
        if words[place] in COLORS:
            return _shaded(COLORS[words[place]], words[place - 1] if place else "")
    return None


def _shaded(color: Color, shade: str) -> Color:
    factor = _SHADES.get(shade, 0.0)
    toward = 1.0 if factor > 0 else 0.0
    red, green, blue = (c + abs(factor) * (toward - c) for c in color)
    return red, green, blue


def start_outfit(prompt: Prompt, clothes: Iterable[PartPrompt]) -> tuple[Outfit, str]:
    """The outfit that the words name, and the costume that was found, if any.

    A costume comes first. The clothes of the prompt lie over it.
    """
    text = f" {' '.join(re.findall(r'[a-z]+', prompt.text.casefold()))} "
    named = [name for name in costumes() if f" {name} " in text]
    name = max(named, key=len, default="")
    found = costumes()[name] if name else Outfit()
    paint, shapes = list(found.paint), list(found.shapes)
    for each in clothes:
        color = color_named(each.prompt.text)
        own = _garment(each.prompt.text)
        if color is not None:
            paint += [(part, color) for part in each.parts]
            paint += [(mark, _of_piece(shade, color)) for mark, shade in own.marks]
        shapes += [shape for shape in own.shapes if shape not in shapes]
    return Outfit(tuple(paint), tuple(shapes), whole=bool(name)), name


def _of_piece(text: str, color: Color) -> Color:
    """A color by its name, or the "dark" or "light" shade of a piece of clothing."""
    return color_named(text) or _shaded(color, text)


def _garment(text: str) -> Garment:
    """The garment of the last noun that the table has."""
    for word in reversed(re.findall(r"[\w-]+", text.casefold())):
        if word in garments():
            return garments()[word]
    return Garment()


@lru_cache(maxsize=1)
def costumes() -> dict[str, Outfit]:
    """The outfit for each name in costumes.txt."""
    found: dict[str, Outfit] = {}
    for names, shapes, entries in _table(COSTUMES):
        paint: list[tuple[str, Color]] = []
        for place, text in entries:
            color = color_named(text)
            if place in MARKS:
                assert color is not None, f"{names}: {place}={text}"
                paint.append((place, color))
                continue
            parts = parse_parts(place.replace(*_CLOTHED), COSTUMES.name)
            if color is None:  # "body" leaves the colors of the body
                paint = [each for each in paint if each[0] not in parts]
            else:
                paint += [(part, color) for part in parts]
        found |= dict.fromkeys(names, Outfit(tuple(paint), shapes, whole=True))
    return found


@lru_cache(maxsize=1)
def garments() -> dict[str, Garment]:
    """The garment for each noun in garments.txt."""
    found: dict[str, Garment] = {}
    for nouns, shapes, marks in _table(GARMENTS):
        found |= dict.fromkeys(nouns, Garment(shapes, tuple(marks)))
    return found


def _table(file: Path) -> Iterator[tuple[list[str], tuple[str, ...], list[tuple[str, str]]]]:
    """The lines of a table: names, shapes, and the other entries."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        names, _, rest = line.partition(":")
        entries: list[tuple[str, str]] = []
        shapes: tuple[str, ...] = ()
        for entry in rest.split(";"):
            place, _, value = (each.strip() for each in entry.partition("="))
            if place == "shape":
                shapes = tuple(value.split("+"))
            else:
                entries.append((place, value))
        yield [name.strip() for name in names.split(",")], shapes, entries

