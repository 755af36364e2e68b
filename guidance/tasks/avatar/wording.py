"""What a prompt says about a person: the action, the clothes, and which parts these cover."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from guidance.motion.bank import Bank
from guidance.motion.retrieve import Match, retrieve
from guidance.motion.words.sentences import action_part
from guidance.prompts import Phrase, Prompt
from guidance.tasks.avatar.part_prompt import PartPrompt, parse_parts

#: An action in a prompt is accepted if its motion has at least this score.
LEAST_SCORE = 0.5
#: The parts that clothes cover.
_COVERS = {
    "torso+arms": "jacket sweater hoodie pullover shirt blouse cardigan top",
    "torso+upper_arms": "t-shirt tshirt jersey polo",
    "torso": "vest",
    "torso+arms+hips+thighs": "coat cloak cape overcoat raincoat",
    "torso+upper_arms+hips+thighs": "dress",
    "torso+upper_arms+hips+legs": "gown",
    "hips+legs": "jeans trousers pants leggings",
    "hips+thighs": "shorts skirt",
    "torso+arms+hips+legs": "suit uniform armor armour costume robe kimono tuxedo pajamas overalls",
    "feet+shins": "boots",
    "feet": "shoes sneakers sandals slippers",
    "scalp": "hat helmet hood crown cap wig turban hair",
    "face": "mask",
    "neck": "scarf",
    "hands": "gloves mittens",
}
COVERED = {
    noun: parse_parts(parts, noun) for parts, nouns in _COVERS.items() for noun in nouns.split()
}
#: Persons of whom a prompt says nothing: their head and hands stay as they are.
_PERSONS_TEXT = "person man woman boy girl someone human lady guy adult figure body"
PERSONS = frozenset(_PERSONS_TEXT.split())
#: Words for women and men; the body at the start is that of other adults on average.
_WOMEN = """woman girl lady female queen princess bride witch policewoman businesswoman cowgirl
    waitress superheroine ballerina mermaid mother sister grandmother"""
_MEN = """man boy male guy king wizard groom policeman businessman fireman spaceman cowboy waiter
    santa gentleman father brother grandfather gladiator"""
_FEMALE = dict.fromkeys(_WOMEN.split(), 0.5) | dict.fromkeys(_MEN.split(), -0.5)
_WEARING = re.compile(r"\s(?:in|wearing|with|dressed in)\s", re.I)
_AND = re.compile(r",\s*(?:and\s+)?|\s+and\s+", re.I)


@dataclass(frozen=True)
class Described:
    """A prompt, taken apart."""

    prompt: Prompt  # without the action
    action: str = ""
    match: Match | None = None  # the motion that was found for the action
    clothes: tuple[PartPrompt, ...] = ()
    #: Whether nothing but the clothes of a person is described.
    only_clothes: bool = False


def describe(prompt: Prompt, bank: Bank) -> Described:
    """Takes a prompt apart; one with several phrases, or an image, has no action."""
    wanted = [phrase for phrase in prompt.phrases if phrase.image is None]
    if len(wanted) != 1 or len(prompt.phrases) != 1:
        return _with_clothes(Described(prompt), wanted)
    phrase = wanted[0]
    words, person = action_part(phrase.text)
    if not words or not person:
        return _with_clothes(Described(prompt), wanted)
    action = " ".join(words)
    match = retrieve(action, bank, count=1)[0]
    if match.score < LEAST_SCORE:
        return _with_clothes(Described(prompt), wanted)
    kept = " ".join(person)
    appearance = Prompt(kept, (replace(phrase, text=kept),))
    return _with_clothes(Described(appearance, action, match), list(appearance.phrases))


def _with_clothes(found: Described, phrases: Sequence[Phrase]) -> Described:
    """Adds the clothes that the phrases name."""
    clothes, only = [], bool(phrases)
    for phrase in phrases:
        person, *worn = _WEARING.split(phrase.text)
        named = [part for each in worn for part in _AND.split(each)]
        covering = [(part, _covered(part)) for part in named]
        clothes += [PartPrompt(parts, Prompt.parse(text)) for text, parts in covering if parts]
        who = person.casefold().split()[-1:] or [""]
        only = only and bool(worn) and all(parts for _, parts in covering) and who[0] in PERSONS
    return replace(found, clothes=tuple(clothes), only_clothes=only)


def _covered(text: str) -> tuple[str, ...]:
    """The parts that a piece of clothing covers; the last noun counts."""
    for word in reversed(re.findall(r"[\w-]+", text.casefold())):
        if word in COVERED:
            return COVERED[word]
    return ()


def female(prompt: Prompt) -> float:
    """The control "female" of the body for the first word that tells it: -0.5, 0 or 0.5."""
    words = re.findall(r"[a-z]+", prompt.text.casefold())
    return next((_FEMALE[word] for word in words if word in _FEMALE), 0.0)


def about(prompt: Prompt, what: str) -> Prompt:
    """The prompt of another view: "the face of an astronaut"."""
    phrases = tuple(
        phrase if phrase.image is not None else replace(phrase, text=f"{what} {phrase.text}")
        for phrase in prompt.phrases
    )
    return Prompt(f"{what} {prompt.text}", phrases)
