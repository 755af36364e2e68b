"""The prompt grammar: one line of text says what one sample should look like.

    a red apple                      one phrase
    a red apple | an oil painting    two phrases, equally wanted
    a red apple:2 | sketch:-0.5      weights; a negative weight pushes away
    a red apple:1 -> 0               a weight that changes over the run, see `guidance.schedule`
    a red apple:1:0.4                stop: no pull once the loss of this phrase is below 0.4
    image:photo.png:0.5              an image to resemble, with its weight

Only trailing numbers are read as weight and stop: a colon in the text is text
("Star Wars: a new hope" is one phrase of weight 1). Beside prompts there are

    50% a green apple                a keyframe: what the first phrase has become half-way
    sky.png="a blue sky"             a region: a mask (white is there) and what is wanted inside
    a photo of {}                    a template: a wording of every phrase
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from guidance.errors import InputError
from guidance.schedule import SHAPES, Schedule

NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
CORNER = rf"{NUMBER}(?:\s*@\s*{NUMBER})?"
CURVE = rf"{CORNER}(?:\s*->\s*{CORNER})+(?:\s+(?:{'|'.join(SHAPES)}))?"
PHRASE = re.compile(
    rf"(?P<text>.*?)(?::(?P<weight>{CURVE}|{NUMBER}))?(?::(?P<stop>{NUMBER}))?", re.S
)
KEYFRAME = re.compile(rf"\s*(?P<percent>{NUMBER})\s*%\s*(?P<text>.+)", re.S)
IMAGE = "image:"
MAX_LENGTH = 10_000  # characters; encoders read at most a few hundred
ONE = Schedule.parse(1.0)

#: What may stand in place of a file of templates.
OWN_TEMPLATES, PLAIN_TEMPLATES = "default", "plain"
MAX_TEMPLATES_BYTES = 64 * 1024  # every wording of every phrase is encoded


@dataclass(frozen=True)
class Phrase:
    """One thing that is wanted (weight above 0) or not wanted (below 0)."""

    text: str
    weight: Schedule = ONE
    stop: float = -math.inf  # no gradient once this phrase's own loss is below it
    image: Path | None = None  # an image to resemble instead of the text


@dataclass(frozen=True)
class Keyframe:
    """What the first phrase of a prompt has become at a progress in (0, 1]."""

    progress: float
    phrase: Phrase  # its text or image counts; weight and stop are the prompt's


@dataclass(frozen=True)
class Region:
    """What is wanted in a part of the image."""

    mask: Path  # an image, white where the phrases apply
    phrases: tuple[Phrase, ...]


def parse_prompt(prompt: str) -> tuple[Phrase, ...]:
    """The phrases of one sample's prompt.

    Raises:
        InputError: an empty prompt or phrase, one too long, or a weight that is no schedule.
    """
    if len(prompt) > MAX_LENGTH:
        raise InputError(f"prompt of {len(prompt)} characters: at most {MAX_LENGTH} are allowed")
    if "\x00" in prompt:
        raise InputError(f"prompt {prompt[:60]!r} holds a null character; remove it")
    return tuple(_parse_phrase(part, prompt) for part in prompt.split("|"))


def _parse_phrase(part: str, prompt: str) -> Phrase:
    match = PHRASE.fullmatch(part.strip())
    assert match is not None  # every string matches: the text takes what the numbers leave
    text = match["text"].strip()
    weight = Schedule.parse(match["weight"]) if match["weight"] else ONE
    stop = float(match["stop"]) if match["stop"] else -math.inf
    if text in ("", IMAGE):
        raise InputError(f'prompt {prompt[:60]!r}: a phrase is empty; write text, e.g. "an apple"')
    image = Path(text.removeprefix(IMAGE)) if text.startswith(IMAGE) else None
    return Phrase(text, weight, stop, image)


def parse_keyframes(texts: Sequence[str]) -> tuple[Keyframe, ...]:
    """Keyframes such as "50% a green apple", by their progress.

    Raises:
        InputError: no percentage, one outside 0..100 or there twice, or more than one plain phrase.
    """
    keyframes = sorted(map(_parse_keyframe, texts), key=lambda keyframe: keyframe.progress)
    for one, other in pairwise(keyframes):
        if one.progress == other.progress:
            raise InputError(f"at {100 * one.progress:g}%: is there twice; give each place once")
    return tuple(keyframes)


def _parse_keyframe(text: str) -> Keyframe:
    match = KEYFRAME.fullmatch(text)
    if match is None:
        raise InputError(
            f'at {text[:60]!r}: expected a percentage and words, e.g. "50% a green apple"'
        )
    progress = float(match["percent"]) / 100
    if not 0 < progress <= 1:
        raise InputError(
            f"at {text[:60]!r}: expected above 0% and up to 100%; at 0% stands the prompt itself"
        )
    phrases = parse_prompt(match["text"])
    if len(phrases) > 1:
        raise InputError(
            f"at {text[:60]!r}: expected one phrase, which the first of the prompt turns into; "
            'leave out "|"'
        )
    if phrases[0].text != match["text"].strip():
        raise InputError(
            f"at {text[:60]!r}: takes no weight; the prompt has it, e.g. "
            '--prompt "a red apple:1 -> 2"'
        )
    return Keyframe(progress, phrases[0])


def at_the_end(prompt: str, keyframes: Sequence[Keyframe]) -> str:
    """The prompt as the last keyframe leaves it, in the same grammar."""
    parse_prompt(prompt)
    if not keyframes:
        return prompt
    first, bar, others = prompt.partition("|")
    match = PHRASE.fullmatch(first.strip())
    assert match is not None
    return f"{keyframes[-1].phrase.text}{first.strip()[match.end('text') :]}{bar and ' |'}{others}"


def parse_region(text: str) -> Region:
    """A region such as `sky.png="a blue sky"`; the quotes may be left out.

    Raises:
        InputError: no mask, or no prompt that can be read.
    """
    mask, _, prompt = (part.strip() for part in text.partition("="))
    if len(prompt) > 1 and prompt[0] == prompt[-1] == '"':
        prompt = prompt[1:-1]
    if not mask or not prompt.strip():
        raise InputError(
            f'region {text[:60]!r}: expected a mask and words, e.g. sky.png="a blue sky"'
        )
    if "\x00" in mask:
        raise InputError(f"region {text[:60]!r} holds a null character; remove it")
    return Region(Path(mask), parse_prompt(prompt))


def read_templates(choice: str) -> tuple[str, ...] | None:
    """The wordings of phrases: "default" (None: each encoder's own), "plain", or those of a file.

    Raises:
        InputError: no such file, too large, no text, empty, or a line without {}.
    """
    if choice == OWN_TEMPLATES:
        return None
    if choice == PLAIN_TEMPLATES:
        return ("{}",)
    try:
        with open(choice, "rb") as file:
            content = file.read(MAX_TEMPLATES_BYTES + 1)
        lines = [line.strip() for line in content.decode().splitlines()]
    except FileNotFoundError:
        raise InputError(
            f"templates {choice}: no such file; use default, plain or a text file"
        ) from None
    except OSError as error:
        raise InputError(f"templates {choice}: may not be read ({error.strerror})") from None
    except ValueError:  # also of a path with a null character
        raise InputError(f"templates {choice!r}: is no text; write UTF-8, a line each") from None
    if len(content) > MAX_TEMPLATES_BYTES:
        raise InputError(
            f"templates {choice}: is larger than {MAX_TEMPLATES_BYTES // 1024} KB; give fewer lines"
        )
    return check_templates([line for line in lines if line], f"templates {choice}")


def check_templates(templates: Sequence[str], name: str = "templates") -> tuple[str, ...]:
    """The templates themselves. Raises InputError where there is none, or one without {}."""
    if not templates:
        raise InputError(f'{name}: is empty; write lines such as "a photo of {{}}"')
    for template in templates:
        if "{}" not in template:
            raise InputError(f"{name}: {template[:60]!r} has no {{}}, where the words go")
    return tuple(templates)


def plain_text(prompt: str) -> str:
    """The words of what a prompt wants at the end: for judges, titles and file names.

    Images are left out; a prompt of images alone gives their file names.
    """
    phrases = parse_prompt(prompt)
    texts = [phrase for phrase in phrases if phrase.image is None]
    wanted = [phrase.text for phrase in texts if phrase.weight(1.0) > 0]
    names = [phrase.image.stem for phrase in phrases if phrase.image is not None]
    once = [phrase.text for phrase in texts if max(phrase.weight.values) > 0]
    return ", ".join(wanted or names or once or [phrase.text for phrase in phrases])
