from __future__ import annotations

import math
from pathlib import Path

import pytest

from guidance.errors import InputError
from guidance.prompts import (
    MAX_TEMPLATES_BYTES,
    Keyframe,
    Phrase,
    Prompt,
    Region,
    Templates,
    at_the_end,
    check_templates,
    parse_keyframes,
    parse_prompt,
    parse_region,
    plain_text,
    read_templates,
)
from guidance.schedule import Schedule


def phrase(
    text: str, weight: float | str = 1.0, stop: float = -math.inf, image: Path | None = None
) -> Phrase:
    return Phrase(text, Schedule.parse(weight), stop, image)


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("a red apple", [phrase("a red apple")]),
        ("an apple:2", [phrase("an apple", 2.0)]),
        ("an apple:2:0.5", [phrase("an apple", 2.0, 0.5)]),
        ("an apple | rust:-0.5", [phrase("an apple"), phrase("rust", -0.5)]),
        ("Star Wars: a new hope", [phrase("Star Wars: a new hope")]),
        ("ratio 16:9 poster", [phrase("ratio 16:9 poster")]),
        ("10:30", [phrase("10", 30.0)]),
        ("a:b:c:1.5", [phrase("a:b:c", 1.5)]),
        (" padded :1e-1 ", [phrase("padded", 0.1)]),
        ("image:photo.png:0.5", [phrase("image:photo.png", 0.5, image=Path("photo.png"))]),
        ("/../etc", [phrase("/../etc")]),
        ("<script>", [phrase("<script>")]),
        ("an apple:1 -> 0", [phrase("an apple", "1 -> 0")]),
        ("an apple:-1->.5:0.4", [phrase("an apple", "-1 -> 0.5", 0.4)]),
        ("Star Wars: a new hope:1 -> 2 cosine", [phrase("Star Wars: a new hope", "1 -> 2 cosine")]),
        (
            "image:a.png:0 -> 1 @ 0.25 -> 1",
            [phrase("image:a.png", "0 -> 1 @ 0.25 -> 1", image=Path("a.png"))],
        ),
        ("a:1 -> b", [phrase("a:1 -> b")]),
        ("from 1 -> 2", [phrase("from 1 -> 2")]),
        ("a:1 -> 0 steep", [phrase("a:1 -> 0 steep")]),
        ("time: 1 -> 2", [phrase("time: 1 -> 2")]),
    ],
)
def test_parsing(prompt: str, phrases: list[Phrase]) -> None:
    assert list(parse_prompt(prompt)) == phrases


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        *((empty, "a phrase is empty") for empty in ("", "  ", "a | ", "|", ":2", "image:")),
        ("x" * 10_001, "10001 characters: at most 10000"),
        ("a\x00b", "null character"),
        ("a:1e999", "values must be finite"),
        ("a:1 -> 0 log", "a log schedule needs values above 0"),
        ("a:1 @ 0.5 -> 2 @ 0.2", "places after @ must rise"),
    ],
)
def test_refusals(prompt: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_prompt(prompt)


@pytest.mark.parametrize("hard", [":1->" * 2500, "a:" + "1" * 9997 + "x", "a:1" + " " * 9990 + "x"])
def test_odd_prompts_are_read_at_once(hard: str) -> None:
    assert parse_prompt(hard)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("an apple:2 | rust:-1 | shiny", "an apple, shiny"),
        ("image:some/photo.png:2", "photo"),
        ("an apple | image:some/photo.png:2", "an apple"),
        ("a red apple:1 -> 0 | a green apple:0 -> 1", "a green apple"),
        ("a red apple:1 -> 0 | image:photo.png", "photo"),
        ("a red apple:1 -> 0 | rust:-1", "a red apple"),
        ("rust:-1", "rust"),
    ],
)
def test_plain_text_is_what_is_wanted_at_the_end(prompt: str, text: str) -> None:
    assert plain_text(prompt) == text


def test_keyframes_are_put_in_order() -> None:
    found = parse_keyframes(["100% image:a.png", " 12.5 % Star Wars: a new hope "])
    assert found == (
        Keyframe(0.125, phrase("Star Wars: a new hope")),
        Keyframe(1.0, phrase("image:a.png", image=Path("a.png"))),
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a green apple"], "at 'a green apple': expected a percentage and a phrase"),
        (["50%"], "expected a percentage and a phrase"),
        (["0% an apple"], "expected above 0% and up to 100%; the prompt itself applies at 0%"),
        (["101% an apple"], "expected above 0% and up to 100%"),
        (["-5% an apple"], "expected above 0% and up to 100%"),
        (["50% a | b"], "expected one phrase, which replaces the first one"),
        (["50% a:2"], "a keyframe has no weight"),
        (["50% a:1 -> 2"], "a keyframe has no weight"),
        (["50% a", "50.0% b"], "at 50%: is given twice"),
        (["50% image:"], "a phrase is empty"),
    ],
)
def test_bad_keyframes_are_told(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_keyframes(texts)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a red apple", "a green apple"),
        ("a red apple:2:0.4 | b:-1 | image:c.png", "a green apple:2:0.4 | b:-1 | image:c.png"),
        ("Star Wars: a new hope :1 -> 0", "a green apple:1 -> 0"),
        ("image:a.png:0.5", "a green apple:0.5"),
    ],
)
def test_the_last_keyframe_takes_the_place_of_the_first_phrase(prompt: str, text: str) -> None:
    start = Prompt.parse(prompt)
    end = at_the_end(start, parse_keyframes(["90% a green apple", "5% a ball"]))
    assert end.text == text and end == Prompt.parse(text)
    assert at_the_end(start, ()) == start


@pytest.mark.parametrize(
    "value",
    [0.1, "30 -> 0.6", "0.1 -> 0 cosine", "0 -> 1 @ 0.25 -> 1", "1 -> 1 @ 0.3 -> 0.25 @ 0.3"],
)
def test_parsed_values_survive_being_written(value: float | str) -> None:
    schedule = Schedule.parse(value)
    assert Schedule.of(schedule) is schedule
    assert Schedule.parse(schedule.written()) == schedule
    for parsed, text in (
        (Prompt, "a red apple:2 -> 0 | b:-1"),
        (Keyframe, "50% a green apple"),
        (Region, 'sky.png="a blue sky"'),
        (Templates, "plain"),
    ):
        read = parsed.parse(text)
        assert read.written() == text and parsed.of(read) is read


@pytest.mark.parametrize(
    ("text", "mask", "phrases"),
    [
        ('sky.png="a blue sky"', "sky.png", [phrase("a blue sky")]),
        ("dir/sky.png = a blue sky", "dir/sky.png", [phrase("a blue sky")]),
        ('a.png="b:2 -> 0 | c=d:-1"', "a.png", [phrase("b", "2 -> 0"), phrase("c=d", -1)]),
        ('a.png="b" and "c"', "a.png", [phrase('b" and "c')]),
        ("a.png=image:b.png", "a.png", [phrase("image:b.png", image=Path("b.png"))]),
    ],
)
def test_regions(text: str, mask: str, phrases: list[Phrase]) -> None:
    assert parse_region(text) == Region(Path(mask), tuple(phrases))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a blue sky", r'expected a mask and a prompt, e.g. sky.png="a blue sky"'),
        ("=a blue sky", "expected a mask and a prompt"),
        ("sky.png=", "expected a mask and a prompt"),
        ('sky.png=""', "expected a mask and a prompt"),
        ("sky.png=a | ", "a phrase is empty"),
        ("s\x00y.png=a", "null character"),
    ],
)
def test_bad_regions_are_told(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_region(text)


def test_templates(tmp_path: Path) -> None:
    path = tmp_path / "templates.txt"
    path.write_text("a photo of {}\n\n  {} at night, {}\n")
    assert read_templates(str(path)) == ("a photo of {}", "{} at night, {}")
    assert read_templates("plain") == ("{}",)
    assert read_templates("default") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; use default, plain or a text file"),
        (b"", 'is empty; write lines such as "a photo of {}"'),
        (b"\n \n", "is empty"),
        (b"a photo of {}\na drawing\n", "'a drawing' does not contain {}"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        (b"{}\n" * MAX_TEMPLATES_BYTES, "is larger than 64 KB; use fewer lines"),
    ],
    ids=["missing", "empty", "blank", "no place", "binary", "large"],
)
def test_bad_templates_are_told(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "templates.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"templates .*templates.txt'?: {message}"):
        read_templates(str(path))


def test_a_folder_is_no_file_of_templates(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a plain file but a folder"):
        read_templates(str(tmp_path))
    with pytest.raises(InputError, match="null character"):
        read_templates("a\x00b")
    with pytest.raises(InputError, match=r"templates: 'a photo' does not contain \{\}"):
        check_templates(["a photo"])


@pytest.mark.parametrize("text", ["caf\udce9", "a | b\ud800:2"])
def test_a_prompt_is_text(text: str) -> None:
    with pytest.raises(InputError, match="is not UTF-8 text; type it again") as error:
        parse_prompt(text)
    str(error.value).encode()  # a message can be printed
    (phrase,) = parse_prompt("image:caf\udce9.png")  # a file may have such a name
    assert phrase.image == Path("caf\udce9.png")


@pytest.mark.parametrize("text", ["\x01\x02", "\u3000", "\u202e\u200b", "a | \ufeff"])
def test_a_prompt_can_be_seen(text: str) -> None:
    with pytest.raises(InputError, match="a phrase is empty"):
        parse_prompt(text)
