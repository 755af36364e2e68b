from __future__ import annotations

import math
from pathlib import Path

import pytest

from guidance.errors import InputError
from guidance.prompts import Phrase, parse_prompt, plain_text


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("a red apple", [Phrase("a red apple")]),
        ("an apple:2", [Phrase("an apple", 2.0)]),
        ("an apple:2:0.5", [Phrase("an apple", 2.0, 0.5)]),
        ("an apple | rust:-0.5", [Phrase("an apple"), Phrase("rust", -0.5)]),
        ("Star Wars: a new hope", [Phrase("Star Wars: a new hope")]),
        ("ratio 16:9 poster", [Phrase("ratio 16:9 poster")]),
        ("10:30", [Phrase("10", 30.0)]),
        ("a:b:c:1.5", [Phrase("a:b:c", 1.5)]),
        (" padded :1e-1 ", [Phrase("padded", 0.1)]),
        ("image:photo.png:0.5", [Phrase("image:photo.png", 0.5, -math.inf, Path("photo.png"))]),
        ("/../etc", [Phrase("/../etc")]),
        ("<script>", [Phrase("<script>")]),
    ],
)
def test_parsing(prompt: str, phrases: list[Phrase]) -> None:
    assert list(parse_prompt(prompt)) == phrases


@pytest.mark.parametrize("prompt", ["", "  ", "a | ", "|", ":2", "image:", "x" * 10_001, "a\x00b"])
def test_refusals(prompt: str) -> None:
    with pytest.raises(InputError):
        parse_prompt(prompt)


def test_plain_text() -> None:
    assert plain_text("an apple:2 | rust:-1 | shiny") == "an apple, shiny"
    assert plain_text("image:some/photo.png:2") == "photo"
