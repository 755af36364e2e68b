"""The atoms of a prompt: its objects, colors, counts, attributes and relations.

Each atom is one question. A judge of images and texts cannot answer in words, so each question is a
choice: the prompt against the same prompt with the atom replaced, e.g. "a red apple" against
"a green apple", "a blue apple" ... The score of an atom is the probability of the prompt.

Source: Soft-TIFA of GenEval 2 (Kamath et al., arXiv 2512.16853) takes the probability of the right
answer of a visual question answering model for each atom. Deviations: the answers are contrasts of
texts, since the judge is a model of CLIP's type; atoms are found by word lists, not by the grammar
that wrote the prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from guidance.evaluate.hard_list import hard_list

Kind = Literal["object", "color", "count", "attribute", "relation"]

COLORS = (
    "red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black", "white", "gray",
    "blond",
)  # fmt: skip
COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
#: Groups of attributes that exclude each other.
ATTRIBUTES = (
    ("wooden", "metal", "glass", "stone", "golden", "silver", "plastic", "paper", "leather",
     "knitted", "marble", "rusty"),
    ("striped", "spotted", "checkered", "plain"),
    ("fluffy", "shiny", "rough", "smooth"),
    ("tiny", "small", "big", "huge"),
    ("smiling", "sad", "angry", "surprised", "crying", "sleeping", "serious"),
    ("young", "old"),
    ("broken", "new"),
    ("open", "closed"),
    ("round", "square", "flat"),
)  # fmt: skip
#: Relations, longer ones first.
RELATIONS = (
    "on top of", "in front of", "to the left of", "to the right of", "next to", "beside", "behind",
    "under", "below", "above", "inside", "on", "in",
)  # fmt: skip
#: What a relation is contrasted with.
OTHER_RELATIONS = ("on top of", "under", "next to", "inside", "in front of", "behind")
SAME = {"on": "on top of", "beside": "next to", "below": "under", "in": "inside"}
#: What an object is contrasted with; one that is the object itself is left out.
OTHER_OBJECTS = (
    "apple", "car", "cat", "chair", "house", "tree", "bottle", "book", "fish", "heart", "robot",
    "flower", "shoe", "guitar", "clock", "person",
)  # fmt: skip
#: People and faces, which the list of texts does not name alone.
PEOPLE = ("person", "face", "man", "woman", "child", "bird", "box", "hair", "glasses", "head")
VOWELS = tuple("aeiou")


@dataclass(frozen=True)
class Atom:
    """One thing that a prompt asks for."""

    kind: Kind
    text: str  # e.g. "red"
    alternatives: tuple[str, ...]  # whole prompts with something else in its place


def find_atoms(prompt: str) -> list[Atom]:
    """The atoms of a prompt, in the order of its words; none if no word is known."""
    found = [*_words(prompt), *_relations(prompt)]
    return [atom for _, atom in sorted(found, key=lambda each: each[0])]


def _words(prompt: str) -> Iterator[tuple[int, Atom]]:
    nouns = _nouns()
    for match in re.finditer(r"[a-z]+", prompt.lower()):
        word, span = match[0], match.span()
        if word == "grey":
            word = "gray"
        if word in COLORS and not (word == "orange" and _is_noun(prompt, span)):
            yield span[0], _atom("color", prompt, span, COLORS)
        elif word in COUNTS:
            yield span[0], _atom("count", prompt, span, COUNTS[:6])
        elif group := next((each for each in ATTRIBUTES if word in each), None):
            yield span[0], _atom("attribute", prompt, span, group)
        elif (single := _singular(word, nouns)) is not None:
            plural = single != word
            others = [f"{each}s" if plural else each for each in OTHER_OBJECTS if each != single]
            yield span[0], _atom("object", prompt, span, others)


def _is_noun(prompt: str, span: tuple[int, int]) -> bool:
    """Whether a color that is also a fruit stands where an object stands: before no other word."""
    return re.match(r"\s*[a-z]", prompt[span[1] :].lower()) is None


def _relations(prompt: str) -> Iterator[tuple[int, Atom]]:
    pattern = r"\b(" + "|".join(RELATIONS) + r")\b"
    match = re.search(pattern, prompt.lower())
    if match is None or not prompt[: match.start()].strip() or not prompt[match.end() :].strip():
        return
    own = SAME.get(match[0], match[0])
    others = [each for each in OTHER_RELATIONS if each != own]
    atom = _atom("relation", prompt, match.span(), others)
    left, right = prompt[: match.start()].strip(), prompt[match.end() :].strip()
    swapped = f"{right} {match[0]} {left}"  # a bag of words does not tell these apart
    yield match.start(), Atom("relation", atom.text, (*atom.alternatives, swapped))


def _atom(
    kind: Kind, prompt: str, span: tuple[int, int], words: tuple[str, ...] | list[str]
) -> Atom:
    own = prompt[span[0] : span[1]]
    others = [word for word in words if word != own.lower()]
    return Atom(kind, own, tuple(_replaced(prompt, span, word) for word in others))


def _replaced(prompt: str, span: tuple[int, int], word: str) -> str:
    """A prompt with another word in one place, after the right article."""
    before, after = prompt[: span[0]], prompt[span[1] :]
    article = "an" if word.startswith(VOWELS) else "a"
    before = re.sub(r"\b[Aa]n?\s$", f"{article} ", before)
    return f"{before}{word}{after}"


def _nouns() -> frozenset[str]:
    """The objects that the list of texts names alone."""
    single = (re.fullmatch(r"an? ([a-z]+)", text) for text in hard_list())
    return frozenset([*(match[1] for match in single if match), *PEOPLE])


def _singular(word: str, nouns: frozenset[str]) -> str | None:
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in nouns:
            return form
    return None
