"""Captions in many scripts, drawn with the bundled fonts; never a box for a missing character.

The fonts are made by `recipes/fonts.py`. What they lack is spelled out: an emoji by its name, as
"[red apple]", text in another script by the script, as "[Khmer]", other characters as "[U+4E02]".
Right-to-left text and combined letters need Pillow with libraqm, as all its wheels have it; without
libraqm, such scripts are spelled out too.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

FOLDER = Path(__file__).parent / "fonts"
FONTS = ("text.ttf", "cjk.otf")  # a character is drawn with the first one that has it
#: Of the letters, and from a line to the next, in pixels.
SIZE, LINE_HEIGHT = 14, 20
BASELINE = 15  # below the top of a line
ELLIPSIS = "\u2026"
#: Longer captions are cut before they are measured; no line holds that many characters.
MAX_LETTERS, MAX_MARKS = 1000, 3
#: Join or separate letters in Persian and Indic scripts.
JOINERS = "\u200c\u200d"
#: Names of characters that change the look of the one before.
MODIFIERS = ("VARIATION SELECTOR", "EMOJI MODIFIER")
UNKNOWN = "\U0010fffe"  # in no font


class Run(NamedTuple):
    """Characters of one line that are drawn with the same font."""

    font: int
    text: str


def draw_caption(caption: str, width: int, max_lines: int) -> Image:
    """A caption in black on white, `width` pixels wide and `max_lines` lines high.

    Lines are broken at spaces, and between Han or kana. What does not fit is cut, with an ellipsis.
    Text whose first letter is written from right to left is aligned at the right.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, max_lines * LINE_HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    text = spelled_out(caption)
    direction = _direction(text)
    for number, line in enumerate(wrapped(text, width, max_lines)):
        parts = runs(line)
        if direction == "rtl":
            parts.reverse()
        left = float(width - measured(line)) if direction == "rtl" else 0.0
        for run in parts:
            font = _font(run.font)
            place = (left, number * LINE_HEIGHT + BASELINE)
            draw.text(place, run.text, fill="black", font=font, anchor="ls", direction=direction)
            left += font.getlength(run.text)
    return image


def spelled_out(caption: str) -> str:
    """One line of characters that the fonts have; all others are spelled out or left out."""
    parts: list[str] = []
    script = ""  # of the words in a script that the fonts lack, which are spelled out together
    for letter in unicodedata.normalize("NFC", caption[:MAX_LETTERS]):
        part = _drawable(letter)
        if letter in JOINERS and not _joins(parts):
            continue
        if part != script:
            parts.append(part)
        if part.strip():
            script = part if part.startswith("[") and letter.isalpha() else ""
    if len(caption) > MAX_LETTERS:
        parts.append(ELLIPSIS)
    return "".join(_few_marks(" ".join("".join(parts).split())))


def _joins(parts: list[str]) -> bool:
    """Whether there is a letter to join: elsewhere, as between emoji, joiners are boxes."""
    last = next((part[-1] for part in reversed(parts) if part), " ")
    return unicodedata.category(last)[0] in "LM"


@functools.lru_cache(maxsize=4096)
def _drawable(letter: str) -> str:
    category = unicodedata.category(letter)
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    if category == "Cs":
        return "\ufffd"
    if letter in JOINERS:
        return letter if has_shaping() else ""
    if category == "Cf" or unicodedata.name(letter, "").startswith(MODIFIERS):
        return ""
    for same in (letter, unicodedata.normalize("NFKC", letter)):
        if all(_font_of(each) is not None for each in same):
            return same
    return _description(letter, category)


def _description(letter: str, category: str) -> str:
    """What stands for a character that the fonts lack."""
    name = unicodedata.name(letter, "")
    if category.startswith("M"):
        return ""
    if category.startswith("L") and name and not name.startswith("CJK"):
        return f"[{name.split()[0].capitalize()}]"
    if category == "So" and name:
        return f"[{name.lower()}]"
    return f"[U+{ord(letter):04X}]"


def _few_marks(text: str) -> Iterator[str]:
    """The text with at most `MAX_MARKS` combining marks in a row, which would grow over images."""
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            yield letter


def wrapped(text: str, width: int, max_lines: int) -> list[str]:
    """The lines of a text; the last one ends with an ellipsis if there is more."""
    lines = [""]
    for piece in _pieces(text):
        for part in _fitting(piece, width):
            if measured((lines[-1] + part).rstrip()) <= width:
                lines[-1] += part
            else:
                lines.append(part)
        if len(lines) > max_lines:
            break
    if len(lines) > max_lines:
        clusters = _clusters(lines[max_lines - 1].rstrip())
        while clusters and measured("".join(clusters) + ELLIPSIS) > width:
            clusters.pop()
        lines[max_lines - 1 :] = ["".join(clusters).rstrip() + ELLIPSIS]
    return [line.rstrip() for line in lines if line.strip()]


def _pieces(text: str) -> list[str]:
    """Parts of a text between which a line may end; spaces are at the end of a part."""
    pieces: list[str] = []
    for cluster in _clusters(text):
        if pieces and not _may_end(pieces[-1][-1], cluster[0]):
            pieces[-1] += cluster
        else:
            pieces.append(cluster)
    return pieces


def _may_end(before: str, after: str) -> bool:
    """Whether a line may end between two characters."""
    if after == " ":
        return False
    if before == " ":
        return True
    closes = unicodedata.category(after) in ("Pe", "Pf", "Po")
    opens = unicodedata.category(before) in ("Ps", "Pi")
    return (_is_ideographic(before) or _is_ideographic(after)) and not closes and not opens


def _is_ideographic(letter: str) -> bool:
    """Han and kana, which are written without spaces."""
    wide = unicodedata.east_asian_width(letter) in ("W", "F")
    return wide and not unicodedata.name(letter, "").startswith("HANGUL")


def _fitting(piece: str, width: int) -> Iterator[str]:
    """A part of a text, cut between characters where it is wider than a line."""
    if measured(piece.rstrip()) <= width:
        yield piece
        return
    start = ""
    for cluster in _clusters(piece):
        if start and measured(start + cluster) > width:
            yield start
            start = ""
        start += cluster
    yield start


def _clusters(text: str) -> list[str]:
    """Characters, each with the marks that follow it."""
    clusters: list[str] = []
    for letter in text:
        marks = unicodedata.category(letter).startswith("M") or letter in JOINERS
        if clusters and (marks or clusters[-1].endswith(JOINERS[1])):
            clusters[-1] += letter
        else:
            clusters.append(letter)
    return clusters


def runs(line: str) -> list[Run]:
    """A line in parts that are drawn with one font each."""
    found: list[Run] = []
    for letter in line:
        font = _font_of(letter) or 0
        if found and (found[-1].font == font or _covers(found[-1].font, letter)):
            found[-1] = Run(found[-1].font, found[-1].text + letter)
        else:
            found.append(Run(font, letter))
    return found


def measured(line: str) -> float:
    """The width of a line in pixels."""
    return sum(_font(run.font).getlength(run.text) for run in runs(line))


def _direction(text: str) -> str | None:
    """Of the paragraph, by its first letter; None if Pillow knows no directions."""
    if not has_shaping():
        return None
    strong = (unicodedata.bidirectional(letter) for letter in text)
    first = next((kind for kind in strong if kind in ("L", "R", "AL")), "L")
    return "ltr" if first == "L" else "rtl"


@functools.cache
def has_shaping() -> bool:
    """Whether Pillow orders right-to-left text and combines letters."""
    from PIL import features

    return bool(features.check("raqm"))


@functools.cache
def _font(number: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(FOLDER / FONTS[number], SIZE)


@functools.cache
def _plain_font(number: int) -> FreeTypeFont:
    """The font without shaping, which shows whether it has a character."""
    from PIL import ImageFont

    return ImageFont.truetype(FOLDER / FONTS[number], SIZE, layout_engine=ImageFont.Layout.BASIC)


def _font_of(letter: str) -> int | None:
    """The number of the first font that has a character."""
    return next((number for number in range(len(FONTS)) if _covers(number, letter)), None)


@functools.lru_cache(maxsize=8192)
def _covers(number: int, letter: str) -> bool:
    """Whether a font has a character, and whether it can be drawn."""
    if letter in JOINERS:
        return True
    if not has_shaping() and _needs_shaping(letter):
        return False
    mask, missing = (_plain_font(number).getmask(each) for each in (letter, UNKNOWN))
    return bool(mask.size != missing.size or bytes(mask) != bytes(missing))


def _needs_shaping(letter: str) -> bool:
    right_to_left = unicodedata.bidirectional(letter) in ("R", "AL")
    return right_to_left or unicodedata.name(letter, "").startswith("DEVANAGARI")
