"""Texts of users and of files: what may be printed, and what can be written as UTF-8."""

from __future__ import annotations

import unicodedata

#: Characters that reorder or break the lines of a terminal: line and paragraph separators, and the
#: embeddings, overrides and isolates of bidirectional text.
REORDERING = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Categories of spaces, control characters and marks of direction.
INVISIBLE = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))


def printable(text: str) -> str:
    """A text with control characters, lone surrogates and bidirectional overrides as escapes.

    Texts of users and of files are printed through this, so that they cannot change the title, the
    colors or the lines of a terminal. Line breaks and tabs remain.
    """
    return "".join(
        letter if letter in "\n\t" or not _is_unprintable(letter) else _escape(letter)
        for letter in text
    )


def one_line(text: str) -> str:
    """`printable` text without line breaks."""
    return printable(" ".join(text.split()))


def _is_unprintable(letter: str) -> bool:
    return letter in REORDERING or unicodedata.category(letter) in ("Cc", "Cs")


def _escape(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def encodable(text: str) -> str:
    r"""A text with lone surrogates as escapes, as "\udce9", so that UTF-8 can encode it.

    Python has them in names of files and arguments that are not UTF-8. In a string of JSON, the
    escape stands for the same character.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def is_encodable(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    return encodable(text) == text


def is_visible(text: str) -> bool:
    """Whether a text has more than spaces, control characters and marks of direction."""
    return any(unicodedata.category(letter) not in INVISIBLE for letter in text)
