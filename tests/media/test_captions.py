"""Captions: letters of many scripts instead of boxes, within their width."""

from __future__ import annotations

import tomllib
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from guidance.media import captions
from guidance.media.captions import (
    ELLIPSIS,
    FOLDER,
    FONTS,
    LINE_HEIGHT,
    draw_caption,
    measured,
    spelled_out,
    wrapped,
)

ROOT = Path(__file__).parents[2]
WIDTH = 256
SCRIPTS = {
    "Latin": "Käse, łódź, žluťoučký kůň, Đặng tiếng Việt, İstanbul ſ ƒ",
    "Cyrillic": "красное яблоко, ґава й їжак, Ћирилица, Қазақ",
    "Greek": "ένα κόκκινο μήλο, ᾅδης",
    "Hangul": "나무 탁자 위의 빨간 사과, 똠방각하 뷁 힣",
    "kana": "りんご、「アップル」。ﾘﾝｺﾞー",
    "Han": "木桌上的红苹果，水墨画；蘋果、龍、戀愛、浮世絵、渋谷",
    "Arabic": "تفاحة حمراء على طاولة خشبية، پچگ",
    "Hebrew": "תפוח אדום על שולחן עץ",
    "Devanagari": "लकड़ी की मेज पर एक लाल सेब, क्षत्रिय",
    "Thai": "แอปเปิลสีแดงบนโต๊ะไม้ ผู้ใหญ่",
    "Armenian": "կարմիր խնձոր",
    "Georgian": "წითელი ვაშლი",
    "symbols": "→ ★ ♥ ① ∞ ≤ € ₩ ° … — “”",
}


def ink(caption: str, lines: int = 3, width: int = WIDTH) -> np.ndarray:
    """Where a caption is dark."""
    return np.asarray(draw_caption(caption, width, lines))[..., 0] < 128


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_drawn_with_their_letters(script: str) -> None:
    text = SCRIPTS[script]
    assert spelled_out(text) == unicodedata.normalize("NFC", text)
    assert ink(text).sum() > 100


def test_common_characters_are_there() -> None:
    hangul = [chr(number) for number in range(0xAC00, 0xD7A4, 23)]
    han = [bytes([lead, second]).decode("gb2312") for lead in range(0xB0, 0xD7)
           for second in range(0xA1, 0xFE, 7)]  # fmt: skip
    for letter in [*hangul, *han]:
        assert spelled_out(letter) == letter
    # Each has its own shape, not that of a box.
    shapes = {ink(letter, 1, 24).tobytes() for letter in [*hangul, *han][::10]}
    assert len(shapes) == len([*hangul, *han][::10])


@pytest.mark.parametrize(
    ("caption", "drawn"),
    [
        ("🍎 pie", "[red apple] pie"),
        ("❤️", "[heavy black heart]"),
        ("👨‍👩‍👧", "[man][woman][girl]"),
        ("👍🏽", "[thumbs up sign]"),
        ("ផ្លែប៉ោម លាល and ਸੇਬ", "[Khmer] and [Gurmukhi]"),
        ("𝐛𝐨𝐥𝐝 ﬁ", "bold ﬁ"),
        ("丂", "[U+4E02]"),
        ("a\u202ecba\u202c\u200f", "acba"),
        ("new\nline\ttab\r\n\x00\x1b[31mred", "new line tab [31mred"),
        ("a\u200d\u200d b", "a\u200d b"),
        ("caf\udce9", "caf\N{REPLACEMENT CHARACTER}"),
        ("e\u0301 n\u0303", "é ñ"),
        ("a\u0301" + "\u0302" * 50, "á" + "\u0302" * 3),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_what_fonts_lack_is_spelled_out(caption: str, drawn: str) -> None:
    assert spelled_out(caption) == drawn


@pytest.mark.parametrize(
    "caption",
    ["a red apple on a wooden table " * 9, "x" * 300, "猫" * 200, "แอปเปิล" * 60, "W " * 5000,
     "שולחן עץ " * 40, "a" * 100_000, "नमस्ते" * 50, *SCRIPTS.values()],
)  # fmt: skip
def test_lines_fit(caption: str) -> None:
    text = spelled_out(caption)
    lines = wrapped(text, WIDTH, 3)
    assert 1 <= len(lines) <= 3
    assert all(measured(line) <= WIDTH for line in lines)
    whole = "".join("".join(lines).split()) == "".join(text.split())
    assert lines[-1].endswith(ELLIPSIS) != whole
    assert draw_caption(caption, WIDTH, 3).size == (WIDTH, 3 * LINE_HEIGHT)


def test_where_lines_end() -> None:
    assert wrapped("aaaa bbbb", int(measured("aaaa b")), 3) == ["aaaa", "bbbb"]
    # Not before closing punctuation, and not between a letter and its marks.
    assert wrapped("猫猫猫。", int(measured("猫猫猫")) + 1, 3) == ["猫猫", "猫。"]
    for line in wrapped("e\u0323\u0302" * 90, WIDTH, 3):
        assert not unicodedata.combining(line[0])


def test_right_to_left() -> None:
    columns = np.flatnonzero(ink("תפוח").any(0))
    assert columns.min() > WIDTH / 2
    assert columns.max() > WIDTH - 6
    assert np.flatnonzero(ink("apple").any(0)).max() < WIDTH / 2
    # The first letter is the rightmost: a lamed rises above the others.
    letters = ink("לא", 1)
    top = np.flatnonzero(letters.any(1)).min()
    assert np.flatnonzero(letters[top]).min() > WIDTH - 12
    # Arabic letters are joined, so that a word is narrower than its letters.
    assert measured("بيت") < sum(map(measured, "بيت")) * 0.8


def test_without_libraqm_scripts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "has_shaping", lambda: False)
    captions._drawable.cache_clear()
    captions._covers.cache_clear()
    try:
        assert spelled_out("apple תפוח אדום تفاحة सेब яблоко") == (
            "apple [Hebrew] [Arabic] [Devanagari] яблоко"
        )
        assert ink("apple תפוח").any()
    finally:
        captions._drawable.cache_clear()
        captions._covers.cache_clear()


def test_fonts_are_packaged_with_their_license() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FONTS) < 4_000_000
    license_file = FOLDER / "OFL.txt"
    assert "SIL OPEN FONT LICENSE Version 1.1" in license_file.read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert str(license_file.relative_to(ROOT)) in project["license-files"]
    assert "OFL-1.1" in project["license"]
