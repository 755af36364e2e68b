"""The prompt grammar: one line of text says what one sample should look like.

    a red apple                      one phrase
    a red apple | an oil painting    two phrases, equally wanted
    a red apple:2 | sketch:-0.5      weights; a negative weight pushes away
    a red apple:1:0.4                stop: no pull once the loss of this phrase is below 0.4
    image:photo.png:0.5              a picture to resemble, with its weight

Only trailing numbers are read as weight and stop: a colon in the text is text
("Star Wars: a new hope" is one phrase of weight 1).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
PHRASE = re.compile(rf"(?P<text>.*?)(?::(?P<weight>{NUMBER}))?(?::(?P<stop>{NUMBER}))?\s*", re.S)
IMAGE = "image:"
MAX_LENGTH = 10_000  # characters; encoders read at most a few hundred


@dataclass(frozen=True)
class Phrase:
    """One thing that is wanted (weight above 0) or not wanted (below 0)."""

    text: str
    weight: float = 1.0
    stop: float = -math.inf  # no gradient once this phrase's own loss is below it
    image: Path | None = None  # a picture to resemble instead of the text


def parse_prompt(prompt: str) -> tuple[Phrase, ...]:
    """The phrases of one sample's prompt.

    Raises:
        InputError: an empty prompt or phrase, or one that is too long.
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
    weight = float(match["weight"]) if match["weight"] else 1.0
    stop = float(match["stop"]) if match["stop"] else -math.inf
    if text in ("", IMAGE):
        raise InputError(f'prompt {prompt[:60]!r}: a phrase is empty; write text, e.g. "an apple"')
    image = Path(text.removeprefix(IMAGE)) if text.startswith(IMAGE) else None
    return Phrase(text, weight, stop, image)


def plain_text(prompt: str) -> str:
    """The words of a prompt's wanted texts, without grammar: for judges, titles and file names.

    Pictures are left out; a prompt of pictures alone gives their file names.
    """
    phrases = parse_prompt(prompt)
    wanted = [phrase.text for phrase in phrases if phrase.image is None and phrase.weight > 0]
    names = [phrase.image.stem for phrase in phrases if phrase.image is not None]
    return ", ".join(wanted or names or [phrase.text for phrase in phrases])
