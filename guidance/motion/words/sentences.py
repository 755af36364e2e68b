"""What in a prompt is the action, and what describes the person."""

from __future__ import annotations

import re

from guidance.motion.words.stems import words_of

_CLOTHES_TEXT = """\
coat jacket shirt dress suit hat jeans trousers pants uniform armor armour costume robe
skirt shorts boots shoes gloves scarf hoodie sweater helmet cape cloak vest kimono gown
outfit clothes tuxedo pajamas swimsuit glasses sunglasses
"""
CLOTHES = frozenset(_CLOTHES_TEXT.split())
_AN_ACTION = re.compile(r"(?:ing|[^s]s)$")
#: Nouns that look like verbs.
_NOUNS_TEXT = """\
king thing ring string wing boss princess actress waitress jeans pants
"""
_NOUNS = frozenset(_NOUNS_TEXT.split())


def action_part(text: str) -> tuple[list[str], list[str]]:
    """The words of the action, and those of the person: "a knight in a red coat" "kicking".

    A prompt without a person, such as "kicking" or "two jumps", is an action as a whole.
    """
    words = words_of(text)
    if not words or words[0] not in ("a", "an", "the", "some", "this", "one", "my", "his", "her"):
        return words, []
    for position, word in enumerate(words[1:], 1):
        if (
            position >= 2
            and _AN_ACTION.search(word)
            and word not in _NOUNS | CLOTHES
            and word != "wearing"
            and words[position - 1] not in ("a", "an", "the", "in", "wearing", "with")
        ):
            if word in ("is", "was"):
                return words[position + 1 :], words[:position]
            return words[position:], words[:position]
    return words, []
