"""The text of mesh files as lines and numbers, within limits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from guidance.errors import InputError

Array = Any
UTF8, UTF16, UTF32 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff"), (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
#: Limits of a text file.
MAX_WORDS, MAX_LINES = 40_000_000, 12_000_000
#: Bytes of text that are looked at at a time; a word takes about 40 bytes of memory.
PIECE = 2**22
SPACES = np.isin(np.arange(256), list(b" \t\n\r\v\f"))


def without_mark(content: bytes, where: str) -> bytes:
    """The content without a byte order mark; UTF-16 becomes UTF-8.

    Raises:
        InputError: UTF-32.
    """
    if content.startswith(UTF8):
        return content[len(UTF8) :]
    if content.startswith(UTF32):
        raise InputError(f"{where}: is text in UTF-32, which is not read; save it as UTF-8")
    if content.startswith(UTF16):
        try:
            return content.decode("utf-16").encode()
        except UnicodeError:
            return content
    return content


def plain_text(content: bytes, where: str) -> bytes:
    """Text whose lines end with LF.

    Raises:
        InputError: it has more lines or words than the limits.
    """
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if content.count(b"\n") > MAX_LINES:
        raise InputError(f"{where}: has more than {MAX_LINES:,} lines; simplify the mesh first")
    if len(content) > 2 * MAX_WORDS and count_words(content) > MAX_WORDS:
        raise InputError(
            f"{where}: has more than {MAX_WORDS:,} numbers and words; simplify the mesh first"
        )
    return content


def without_comments(text: bytes) -> bytes:
    """The text without what follows a # in a line."""
    return re.sub(rb"#[^\n]*", b"", text) if b"#" in text else text


def count_words(text: bytes) -> int:
    """The number of words separated by white space, without a copy of the text."""
    total, before = 0, True
    for start in range(0, len(text), PIECE):
        space = SPACES[np.frombuffer(text, np.uint8, min(PIECE, len(text) - start), start)]
        total += int((space[:-1] & ~space[1:]).sum()) + int(before and not space[0])
        before = bool(space[-1])
    return total


def numbers(text: bytes, kind: Any = np.float64) -> Array:
    """All numbers of a text; whole ones that are too large for the type become the largest.

    Raises:
        ValueError: something else than a number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # older releases warn and stop early
        try:
            found: Array = np.fromstring(text, kind, sep=" ")
        except (DeprecationWarning, ValueError):
            found = np.zeros(0, kind)
    if len(found) != count_words(text):
        raise ValueError(f"{shown(_first_bad_word(text, kind))} is not a number")
    return found


def _first_bad_word(text: bytes, kind: Any) -> bytes:
    for words in word_lists(text):
        for word in words:
            try:
                if len(np.fromstring(word, kind, sep=" ")) == 1:
                    continue
            except (DeprecationWarning, ValueError):
                pass
            return word
    return b""


def word_lists(text: bytes) -> Iterator[list[bytes]]:
    """The words of a text, a piece at a time."""
    start, space = 0, re.compile(rb"\s")
    while start < len(text):
        cut = space.search(text, start + PIECE)
        stop = len(text) if cut is None else cut.start()
        yield text[start:stop].split()
        start = stop


class BadRow(Exception):
    """A row that cannot be read: its index among the rows, and why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


def joined_rows(rows: Sequence[bytes]) -> tuple[bytes, Array]:
    """Rows as one text, and the number of words of each row."""
    text = b"\n".join(rows) + b"\n"
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == ord("\n"))
    counts = np.add.reduceat(word_starts(letters), np.append(0, ends[:-1] + 1), dtype=np.int64)
    return text, counts


def word_starts(letters: Array) -> Array:
    """Whether a word starts at each letter of a text."""
    space = SPACES[letters]
    starts = ~space
    starts[1:] &= space[:-1]
    return starts


def number_rows(rows: Sequence[bytes]) -> tuple[Array, Array]:
    """The numbers of all rows one after another, in float64, and how many each row has.

    Raises:
        BadRow: a row has something else than numbers.
    """
    if not rows:
        return np.zeros(0), np.zeros(0, np.int64)
    text, counts = joined_rows(rows)
    try:
        return numbers(text), counts
    except ValueError:
        pass
    for index, row in enumerate(rows):
        try:
            numbers(row)
        except ValueError as error:
            raise BadRow(index, str(error)) from None
    raise BadRow(0, "this or a later line is no list of numbers")


def shown(word: bytes) -> str:
    """A word of a file in a message: in quotes, cut, and without control characters."""
    return repr(word[:30].decode("ascii", "replace"))


def table(values: Array, counts: Array, width: int) -> Array:
    """The first `width` numbers of each row, NaN for those that a row does not have."""
    if (counts == width).all():
        return values.reshape(-1, width)
    starts = counts.cumsum() - counts
    columns = np.arange(width)
    there = columns < counts[:, None]
    found = np.full((len(counts), width), np.nan)
    found[there] = values[(starts[:, None] + columns)[there]]
    return found
