"""The prompt grammar: one line of text describes what one sample should look like.

    a red apple                      one phrase
    a red apple | an oil painting    two phrases of equal weight
    a red apple:2 | sketch:-0.5      weights; a negative weight pushes away from the phrase
    a red apple:1 -> 0               a weight that changes during the run, see `guidance.schedule`
    a red apple:1:0.4                a stop: no gradient while the loss of this phrase is below 0.4
    image:photo.png:0.5              an image to resemble, with its weight; or a sound: audio:FILE

Only trailing numbers are read as weight and stop: a colon in the text is part of the text ("Star
Wars: a new hope" is one phrase of weight 1). Three more notations go with prompts:

    50% a green apple                a keyframe: what the first phrase changes into half-way
    sky.png="a blue sky"             a regional prompt: a mask (white = inside) and its prompt
    a photo of {}                    a template: a wording for every phrase
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.parsed import Parsed
from guidance.schedule import SHAPES, Schedule
from guidance.texts import is_encodable, is_visible

NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
CORNER = rf"{NUMBER}(?:\s*@\s*{NUMBER})?"
CURVE = rf"{CORNER}(?:\s*->\s*{CORNER})+(?:\s+(?:{'|'.join(SHAPES)}))?"
PHRASE = re.compile(
    rf"(?P<text>.*?)(?::(?P<weight>{CURVE}|{NUMBER}))?(?::(?P<stop>{NUMBER}))?", re.S
)
KEYFRAME = re.compile(rf"\s*(?P<percent>{NUMBER})\s*%\s*(?P<text>.+)", re.S)
IMAGE, AUDIO = "image:", "audio:"
MAX_LENGTH = 10_000  # characters; encoders read at most a few hundred
ONE = Schedule.parse(1.0)

#: Values of `templates` that are not files.
OWN_TEMPLATES, PLAIN_TEMPLATES = "default", "plain"
MAX_TEMPLATES_BYTES = 64 * 1024  # each wording of each phrase is encoded


@dataclass(frozen=True)
class Phrase:
    """One part of a prompt: wanted with a weight above 0, unwanted with a weight below 0."""

    text: str
    weight: Schedule = ONE
    stop: float = -math.inf  # no gradient while the loss of this phrase is below this value
    image: Path | None = None  # an image to resemble instead of the text; of sounds, their file


@dataclass(frozen=True)
class Prompt(Parsed):
    """What one sample should look like, as written and as parsed."""

    text: str
    phrases: tuple[Phrase, ...]

    @classmethod
    def parse(cls, text: str) -> Prompt:
        """Reads a prompt in the grammar of this module; see `parse_prompt`."""
        return cls(text, parse_prompt(text))

    @classmethod
    def names_file(cls, text: str) -> bool:
        return any(part.strip().startswith((IMAGE, AUDIO)) for part in text.split("|"))

    def written(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text

    def with_style(self, style: Prompt | None) -> Prompt:
        """The prompt followed by the phrases of a style."""
        if style is None:
            return self
        return Prompt(f"{self.text} | {style.text}", self.phrases + style.phrases)


@dataclass(frozen=True)
class Keyframe(Parsed):
    """What the first phrase of a prompt changes into at a progress in (0, 1]."""

    progress: float
    phrase: Phrase  # its text or image is used; weight and stop are those of the prompt

    @classmethod
    def parse(cls, text: str) -> Keyframe:
        """Reads a keyframe such as "50% a green apple"."""
        return _parse_keyframe(text)

    @classmethod
    def names_file(cls, text: str) -> bool:
        return Prompt.names_file(text.partition("%")[2])

    def written(self) -> str:
        return f"{100 * self.progress:g}% {self.phrase.text}"


@dataclass(frozen=True)
class Region(Parsed):
    """A prompt for a part of the image."""

    mask: Path  # an image, white = inside; or "words:..."
    phrases: tuple[Phrase, ...]
    text: str = field(default="", compare=False)  # as written

    @classmethod
    def parse(cls, text: str) -> Region:
        """Reads a regional prompt such as `sky.png="a blue sky"`."""
        return parse_region(text)

    @classmethod
    def names_file(cls, text: str) -> bool:
        return not text.startswith("words:")

    def written(self) -> str:
        return self.text


@dataclass(frozen=True)
class Templates(Parsed):
    """Wordings of every phrase, each with {} where the text goes."""

    choice: str  # "default", "plain" or a file
    wordings: tuple[str, ...] | None  # None: those of each encoder

    @classmethod
    def parse(cls, text: str) -> Templates:
        """Reads "default", "plain" or the path of a file; see `read_templates`."""
        return cls(text, read_templates(text))

    @classmethod
    def names_file(cls, text: str) -> bool:
        return text not in (OWN_TEMPLATES, PLAIN_TEMPLATES)

    def written(self) -> str:
        return self.choice


def parse_prompt(prompt: str) -> tuple[Phrase, ...]:
    """The phrases of one sample's prompt.

    Raises:
        InputError: an empty prompt or phrase, one too long, or a weight that is no schedule.
    """
    if len(prompt) > MAX_LENGTH:
        raise InputError(f"prompt of {len(prompt)} characters: at most {MAX_LENGTH} are allowed")
    if "\x00" in prompt:
        raise InputError(f"prompt {prompt[:60]!r} contains a null character; remove it")
    return tuple(_parse_phrase(part, prompt) for part in prompt.split("|"))


def _parse_phrase(part: str, prompt: str) -> Phrase:
    match = PHRASE.fullmatch(part.strip())
    assert match is not None  # every string matches: the text takes what the numbers leave
    text = match["text"].strip()
    weight = Schedule.parse(match["weight"]) if match["weight"] else ONE
    stop = float(match["stop"]) if match["stop"] else -math.inf
    if text in (IMAGE, AUDIO) or not is_visible(text):
        raise InputError(f'prompt {prompt[:60]!r}: a phrase is empty; write text, e.g. "an apple"')
    image = next((Path(text[len(x) :]) for x in (IMAGE, AUDIO) if text.startswith(x)), None)
    if image is None and not is_encodable(text):
        raise InputError(f"prompt {text[:60]!r}: is not UTF-8 text; type it again")
    return Phrase(text, weight, stop, image)


def parse_keyframes(texts: Sequence[str | Keyframe]) -> tuple[Keyframe, ...]:
    """Keyframes such as "50% a green apple", sorted by progress.

    Raises:
        InputError: a percentage that is missing, outside 0..100 or given twice, or more than one
            phrase.
    """
    keyframes = sorted(map(Keyframe.of, texts), key=lambda keyframe: keyframe.progress)
    for one, other in pairwise(keyframes):
        if one.progress == other.progress:
            raise InputError(f"at {100 * one.progress:g}%: is given twice; give each time once")
    return tuple(keyframes)


def _parse_keyframe(text: str) -> Keyframe:
    match = KEYFRAME.fullmatch(text)
    if match is None:
        raise InputError(
            f'at {text[:60]!r}: expected a percentage and a phrase, e.g. "50% a green apple"'
        )
    progress = float(match["percent"]) / 100
    if not 0 < progress <= 1:
        raise InputError(
            f"at {text[:60]!r}: expected above 0% and up to 100%; the prompt itself applies at 0%"
        )
    phrases = parse_prompt(match["text"])
    if len(phrases) > 1:
        raise InputError(
            f"at {text[:60]!r}: expected one phrase, which replaces the first one of the prompt; "
            'remove "|"'
        )
    if phrases[0].text != match["text"].strip():
        raise InputError(
            f"at {text[:60]!r}: a keyframe has no weight; give the weight in the prompt, e.g. "
            '--prompt "a red apple:1 -> 2"'
        )
    return Keyframe(progress, phrases[0])


def at_the_end(prompt: Prompt, keyframes: Sequence[Keyframe]) -> Prompt:
    """The prompt after the last keyframe."""
    if not keyframes:
        return prompt
    last = keyframes[-1].phrase
    first, bar, others = prompt.text.partition("|")
    match = PHRASE.fullmatch(first.strip())
    assert match is not None
    text = f"{last.text}{first.strip()[match.end('text') :]}{bar and ' |'}{others}"
    head = replace(prompt.phrases[0], text=last.text, image=last.image)
    return Prompt(text, (head, *prompt.phrases[1:]))


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
            f'region {text[:60]!r}: expected a mask and a prompt, e.g. sky.png="a blue sky"'
        )
    if "\x00" in mask:
        raise InputError(f"region {text[:60]!r} contains a null character; remove it")
    return Region(Path(mask), parse_prompt(prompt), text)


def read_templates(choice: str) -> tuple[str, ...] | None:
    """The wordings of phrases: "default" (None: each encoder's own), "plain", or those of a file.

    Raises:
        InputError: no such file, too large, no text, empty, or a line without {}.
    """
    if choice == OWN_TEMPLATES:
        return None
    if choice == PLAIN_TEMPLATES:
        return ("{}",)
    refuse_special_file(Path(choice), f"templates {choice}")
    try:
        with open(choice, "rb") as file:
            content = file.read(MAX_TEMPLATES_BYTES + 1)
        lines = [line.strip() for line in content.decode().splitlines()]
    except FileNotFoundError:
        raise InputError(
            f"templates {choice}: no such file; use default, plain or a text file"
        ) from None
    except OSError as error:
        raise InputError(f"templates {choice}: cannot be read ({error.strerror})") from None
    except ValueError:  # also of a path with a null character
        raise InputError(
            f"templates {choice!r}: is not UTF-8 text; write one template per line"
        ) from None
    if len(content) > MAX_TEMPLATES_BYTES:
        raise InputError(
            f"templates {choice}: is larger than {MAX_TEMPLATES_BYTES // 1024} KB; use fewer lines"
        )
    return check_templates([line for line in lines if line], f"templates {choice}")


def check_templates(templates: Sequence[str], name: str = "templates") -> tuple[str, ...]:
    """The templates themselves. Raises InputError where there is none, or one without {}."""
    if not templates:
        raise InputError(f'{name}: is empty; write lines such as "a photo of {{}}"')
    for template in templates:
        if "{}" not in template:
            raise InputError(
                f"{name}: {template[:60]!r} does not contain {{}}, which stands for the phrase"
            )
    return tuple(templates)


def plain_text(prompt: Prompt | str) -> str:
    """The text of the phrases that are wanted at the end, for judges, titles and file names.

    Images and sounds are omitted; a prompt of nothing else gives their file names.
    """
    phrases = Prompt.of(prompt).phrases
    texts = [phrase for phrase in phrases if phrase.image is None]
    wanted = [phrase.text for phrase in texts if phrase.weight(1.0) > 0]
    names = [phrase.image.stem for phrase in phrases if phrase.image is not None]
    once = [phrase.text for phrase in texts if max(phrase.weight.values) > 0]
    return ", ".join(wanted or names or once or [phrase.text for phrase in phrases])
