"""English that captions are made of: articles, plurals, colors, patterns, and heads of phrases."""

from __future__ import annotations

import re

COLORS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray",
)  # fmt: skip
PATTERNS = {"striped": "stripes", "dotted": "dots", "checkered": "checks"}
MATERIALS = ("golden", "silver", "wooden", "shiny")
#: Words that describe a noun; what is left of a name without them is its concept.
ATTRIBUTES = frozenset((*COLORS, *PATTERNS, *MATERIALS, "blond", "plain"))
#: Words that are neither nouns nor attributes.
SMALL = frozenset(
    (
        "a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "without", "from",
        "over", "by", "that", "is", "this", "its", "two", "three", "four", "facing", "showing",
        "wearing", "background", "side", "front", "back", "overhead", "view", "3d",
    )
)  # fmt: skip
#: Where the head of a noun phrase ends: "woman | playing handball", "house | with garden".
REST = re.compile(
    r"(?<!^a)(?<!^an)(?<!^the)\s+(?:with|without|of|in|on|at|from|over|showing|facing|that|\w+ing)\s.*$|[:,(].*$"
)
#: Portraits: their hair, expression and glasses are attributes.
PORTRAIT = re.compile(r"(?:\w+ )?(?:face|person) with (?:\w+ )?hair\b.*")
A_PORTRAIT = "face with hair"
#: Words that no noun phrase starts with.
NOT_FIRST = frozenset(["and", "o’clock", "thirty"])
#: First words that are nouns of their own: a "woman judge" is a woman, a "keycap 5" a keycap.
LEADING = frozenset(["man", "woman", "men", "women", "person", "family", "couple", "keycap"])


def with_article(phrase: str) -> str:
    """A noun phrase after "a" or "an"; plurals and phrases with a number stay as they are."""
    first, last = (phrase.split() or [""])[0], (head(phrase).split() or [""])[-1]
    if first.lower() in ("a", "an", "the", "two", "three", "four") or first[:1].isdigit():
        return phrase
    if last.endswith("s") and not last.endswith(("ss", "us", "is", "as")):
        return phrase
    return f"{'an' if first[:1].lower() in 'aeiou' else 'a'} {phrase}"


def head(phrase: str) -> str:
    """A noun phrase without what follows its noun."""
    return REST.sub("", phrase).strip()


def concept(phrase: str) -> str:
    """A noun phrase without words for color, pattern and material: "red apple" is "apple".

    Phrases of such words alone stay as they are. Faces with hair of any color are one concept.
    """
    if PORTRAIT.fullmatch(phrase):
        return A_PORTRAIT
    kept = [word for word in phrase.split() if word not in ATTRIBUTES]
    while kept and kept[0] in ("and", "with"):
        kept = kept[1:]
    return " ".join(kept) or phrase


def parts(phrase: str) -> list[str]:
    """Nouns that are true of what a phrase names, the phrase itself first.

    "cat face with tears" is also a "cat face" and a "face"; a "woman judge" is a "judge" and a
    "woman".
    """
    words = head(phrase).split()
    starts = [i for i, word in enumerate(words) if word not in NOT_FIRST]
    found = [phrase, *(" ".join(words[start:]) for start in starts)]
    if words and words[0].lower() in LEADING:
        found.append(words[0].lower())
    return list(dict.fromkeys(part for part in found if part))


def nouns(text: str) -> list[str]:
    """The words of a text that can be nouns: in lower case, without attributes and small words."""
    words = re.findall(r"[\w’'-]+", text.lower())
    return [word for word in words if word not in SMALL and word not in ATTRIBUTES]
