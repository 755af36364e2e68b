"""The byte-pair encoding of CLIP, for lower-case ASCII text, without torch.

The table of merges is the file of open_clip's tokenizer, which this agrees with; texts with other
characters are left to it.
"""

from __future__ import annotations

import gzip
import importlib.util
import re
from functools import cache
from pathlib import Path

#: How the tokenizer cuts a text; in ASCII, letters are a to z.
PARTS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
#: Characters that the tokenizer repairs or decodes first, or that begin its special tokens.
LEFT_OUT = frozenset("&<>\\")
VOCABULARY = 49_408
START, END = VOCABULARY - 2, VOCABULARY - 1
NUM_MERGES = VOCABULARY - 2 - 2 * 256


def can_tokenize(text: str) -> bool:
    """Whether `tokenize` agrees with open_clip for a text."""
    return text.isascii() and text.isprintable() and not LEFT_OUT & set(text)


def tokenize(text: str) -> list[int]:
    """The tokens of a text with start and end."""
    tokens = [START]
    for part in PARTS.findall(" ".join(text.lower().split())):
        tokens += _merged(part)
    return [*tokens, END]


@cache
def _merged(part: str) -> tuple[int, ...]:
    """The tokens of one word: the pair that comes first in the table is merged, until none is."""
    ranks = _ranks()
    symbols = [*part[:-1], f"{part[-1]}</w>"]
    while len(symbols) > 1:
        pairs = [ranks.get(f"{a} {b}", NUM_MERGES) for a, b in zip(symbols, symbols[1:])]  # noqa: B905, RUF007
        best = min(pairs)
        if best == NUM_MERGES:
            break
        joined: list[str] = []
        at = 0
        while at < len(symbols):
            if at < len(pairs) and pairs[at] == best:
                joined.append(symbols[at] + symbols[at + 1])
                at += 2
            else:
                joined.append(symbols[at])
                at += 1
        symbols = joined
    return tuple(_number(symbol) for symbol in symbols)


def _number(symbol: str) -> int:
    """The token of a symbol: a character, one at the end of a word, or a merge."""
    plain = symbol.removesuffix("</w>")
    ends = plain != symbol
    if len(plain) == 1:
        return ord(plain) - ord("!") + 256 * ends
    return 512 + _made()[symbol]


@cache
def _lines() -> list[str]:
    package = importlib.util.find_spec("open_clip")
    assert package is not None and package.origin is not None  # a requirement of this package
    path = Path(package.origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(path.read_bytes()).decode().split("\n", NUM_MERGES + 1)[1:-1]


@cache
def _ranks() -> dict[str, int]:
    return {line: rank for rank, line in enumerate(_lines())}


@cache
def _made() -> dict[str, int]:
    return {line.replace(" ", "", 1): rank for rank, line in enumerate(_lines())}
